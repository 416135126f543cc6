/** What generated commands are made of: keys, values, numbers, spans, and options in any case. */
import fc from '../../harness/properties.js';

export type Words = readonly (string | Buffer)[];
export type Family = Readonly<Record<string, fc.Arbitrary<Words>>>;

/** Where a generator takes its keys from. */
export interface Keys {
  /** Keys far apart in the slots; some may hold another type than strings. */
  readonly any: fc.Arbitrary<string | Buffer>;
  /** Keys of one slot, for commands that take several at once. */
  readonly near: fc.Arbitrary<string | Buffer>;
}

/** Bytes that are no text, and those that requests and replies are made of: keys, fields, members and values may hold any. */
export const binary = fc.constantFrom(
  Buffer.from([0]),
  Buffer.from([0xff, 0x80]),
  Buffer.from([0x00, 0xff, 0x0d, 0x0a]),
  Buffer.from('\r\n$3\r\n'),
);
/** Two keys of such bytes: one in the slot of `a`. */
export const binaryKey = Buffer.from([0x00, 0xff, 0x0d, 0x0a]);
export const binaryNear = Buffer.concat([Buffer.from('{a}'), binaryKey]);

export const numeral = fc.constantFrom(
  '0',
  '1',
  '-1',
  '10',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '1.0',
  '01',
  '+1',
  '-0',
  '',
);
export const smallNumber = fc.constantFrom('0', '1', '2', '3', '-1', '-2', '-3', '7', '100', '-100', 'x', '9223372036854775808');
export const value = fc.oneof(
  { weight: 3, arbitrary: numeral },
  { weight: 3, arbitrary: fc.constantFrom('x', 'hello world', 'ohmytext', 'mynewtext', '\u00e9\r\n') },
  { weight: 2, arbitrary: fc.string({ maxLength: 5 }) },
  { weight: 2, arbitrary: binary },
);
/** Spans of TTL are so far apart that it does not matter how fast a server answers; a span of 1 or 0 or -1 is over, or as good as. */
export const seconds = fc.constantFrom('100', '200', '300', '100', '200', '0', '-1', 'x', '', '9223372036854775807');
export const milliseconds = fc.constantFrom('100000', '200000', '300000', '0', '-1', 'x', '9223372036854775807');
/** Instants: in the year 3021 and after, or over. */
export const unixSeconds = fc.constantFrom('33177117420', '33177117520', '1', '0', '-1', 'x', '9223372036854775807');
export const unixMilliseconds = fc.constantFrom('33177117420000', '33177117520499', '33177117520500', '1', '0', '-1', 'x');

export const anyCase = (word: string): fc.Arbitrary<string> => fc.constantFrom(word, word, word.toLowerCase());
export const words = (...parts: readonly (string | fc.Arbitrary<string | Buffer | Words>)[]): fc.Arbitrary<Words> =>
  fc.tuple(...parts.map((part) => (typeof part === 'string' ? anyCase(part) : part))).map((list) => list.flat() as Words);
export const options = (maxLength: number, ...each: readonly (string | fc.Arbitrary<Words>)[]): fc.Arbitrary<Words> =>
  fc
    .array(fc.oneof(...each.map((option) => (typeof option === 'string' ? words(option) : option))), { maxLength })
    .map((list) => list.flat());
export const many = (each: fc.Arbitrary<string | Buffer | Words>, maxLength: number): fc.Arbitrary<Words> =>
  fc.array(each, { maxLength }).map((list) => list.flat() as Words);

/** Later commands give longer spans: which of two instants is later must not hang on how fast a server answers. */
export function spread(command: Words, place: number): Words {
  return command.map((word) =>
    typeof word !== 'string'
      ? word
      : /^[123]00$/.test(word)
        ? `${Number(word) + place}`
        : /^[123]00000$/.test(word)
          ? `${Number(word) + place * 1000}`
          : word,
  );
}
