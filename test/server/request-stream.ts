/**
 * Generated streams of request bytes: well-formed commands as arrays and inline, ones that are refused, and streams in which one byte was changed,
 * left out or cut off. The same seed gives the same streams.
 *
 * A stream is `whole` when it leaves nothing open: its last command is an ECHO of its number, whose reply ends the replies. A broken one only has
 * commands that read keys that nobody writes, since what it comes to is anybody's guess; `tail` closes what it may have left open.
 */
import type { SeededRandom } from '../simulation/random.js';

export interface RequestStream {
  readonly bytes: Buffer;
  /** The replies end with this, unless the connection is closed first. */
  readonly lastReply: Buffer;
}

/** More than the longest argument: what a changed length still asks for. */
const openBytesMax = 100;
const brokenShare = 0.2;
const inlineShare = 0.2;
const commandsMax = 6;

const values = [
  '',
  '0',
  '1',
  '-1',
  '17',
  'x',
  'hello world',
  '*1\r\n$4\r\nPING\r\n',
  '$-1\r\n',
  '\r\n',
  '\u0000\u00ff',
  'v'.repeat(90),
  '9223372036854775807',
];
/** None is a command: a changed byte may begin a line with one. */
const plainValues = ['0', '1', '17', 'x', 'good', "it's", 'a b', '\u0001'];
const junk = ['\r\n', '\n', '*0\r\n', '*-1\r\n', '   \r\n'];
/** Never a zero: redis-server looks for the end of a line up to one, and waits for ever (strchr in networking.c). */
const bytesToPut = ['\r', '\n', '*', '$', ':', '+', '-', '0', '1', '9', '"', "'", ' ', 'x', '\u00ff'];
const withoutZeros = (list: readonly string[]): readonly string[] => list.filter((text) => !text.includes('\u0000'));

type Shape = readonly string[];

/** `k` is one of the lane's keys, `v` a value, `n` a small number. */
const writing: readonly Shape[] = [
  ['SET', 'k', 'v'],
  ['set', 'k', 'v', 'NX', 'GET'],
  ['GET', 'k'],
  ['DEL', 'k', 'k'],
  ['APPEND', 'k', 'v'],
  ['STRLEN', 'k'],
  ['INCR', 'k'],
  ['DECRBY', 'k', 'n'],
  ['GETRANGE', 'k', 'n', 'n'],
  ['SETRANGE', 'k', 'n', 'v'],
  ['GETDEL', 'k'],
  ['SETNX', 'k', 'v'],
  ['MGET', 'k', 'k', 'k'],
  ['MSET', 'k', 'v', 'k', 'v'],
  ['EXISTS', 'k', 'k'],
  ['SETBIT', 'k', 'n', 'n'],
  ['BITCOUNT', 'k'],
];
const reading: readonly Shape[] = [
  ['PING'],
  ['PING', 'v'],
  ['ECHO', 'v'],
  ['GET', 'nobody'],
  ['EXISTS', 'nobody', 'nobody'],
  ['TTL', 'nobody'],
  ['type', 'nobody'],
  ['GETRANGE', 'nobody', 'n', 'n'],
  ['TOUCH', 'nobody'],
];
const refused: readonly Shape[] = [
  ['GET'],
  ['ECHO'],
  ['SET', 'k'],
  ['nonsense', 'v', 'v'],
  ['v', 'v'],
  ['GET', 'k', 'v'],
  ['MSET', 'k'],
  ['PING', 'v', 'v'],
];
const numbers = ['0', '1', '2', '7', '-1', '-2', '99', 'x'];

const asArray = (words: readonly Buffer[]): Buffer =>
  Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')]),
  ]);

/** In double quotes as redis-cli writes them, bytes that are no printable ones as \xHH. */
function quoted(word: Buffer): string {
  const text = [...word].map((byte) =>
    byte === 34 || byte === 92
      ? `\\${String.fromCharCode(byte)}`
      : byte < 32 || byte > 126
        ? `\\x${byte.toString(16).padStart(2, '0')}`
        : String.fromCharCode(byte),
  );
  return `"${text.join('')}"`;
}

export class RequestStreams {
  private number = 0;

  /** Keys of different lanes are different. */
  constructor(
    private readonly lane: number,
    private readonly random: SeededRandom,
  ) {}

  next(): RequestStream {
    const last = Buffer.from(`${this.lane}.${this.number++}`);
    const echo = asArray([Buffer.from('ECHO'), last]);
    const isBroken = this.random.fraction() < brokenShare;
    const commands = Array.from({ length: 1 + this.below(commandsMax) }, () => this.command(isBroken));
    const bytes = isBroken
      ? [this.broken(Buffer.concat(commands)), Buffer.from('\r\n'.repeat(openBytesMax)), echo]
      : [asArray(['DEL', ...this.keys].map((word) => Buffer.from(word))), ...commands, echo];
    return { bytes: Buffer.concat(bytes), lastReply: Buffer.from(`$${last.length}\r\n${last.toString()}\r\n`) };
  }

  /** Where to cut the stream: ascending offsets within it. */
  cuts(length: number): readonly number[] {
    const way = this.random.fraction();
    if (way < 0.2) return [];
    if (way < 0.4) return Array.from({ length: length - 1 }, (_, i) => i + 1);
    const cuts = Array.from({ length: 1 + this.below(6) }, () => 1 + this.below(length - 1));
    return [...new Set(cuts)].toSorted((a, b) => a - b);
  }

  private get keys(): readonly string[] {
    return ['a', 'b', '{a}c'].map((name) => `lane${this.lane}:${name}`);
  }

  private command(isBroken: boolean): Buffer {
    const way = this.random.fraction();
    if (way < 0.05) return Buffer.from(this.oneOf(junk));
    const shape = this.oneOf(way < 0.15 && !isBroken ? refused : way < 0.4 || isBroken ? reading : writing);
    const isInline = this.random.fraction() < inlineShare;
    const texts = isInline ? plainValues : isBroken ? withoutZeros(values) : values;
    const words = shape.map((word) => this.filled(word, texts));
    return isInline ? Buffer.from(`${words.map(quoted).join(' ')}\r\n`, 'latin1') : asArray(words);
  }

  private filled(word: string, texts: readonly string[]): Buffer {
    if (word === 'k') return Buffer.from(this.oneOf(this.keys));
    if (word === 'n') return Buffer.from(this.oneOf(numbers));
    return word === 'v' ? Buffer.from(this.oneOf(texts), 'latin1') : Buffer.from(word);
  }

  /** One byte is another one, or is not there, or the stream ends at it. */
  private broken(bytes: Buffer): Buffer {
    const at = this.below(bytes.length);
    const way = this.random.fraction();
    if (way < 0.2) return bytes.subarray(0, at);
    const instead = way < 0.4 ? '' : this.oneOf(bytesToPut);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(instead, 'latin1'), bytes.subarray(at + 1)]);
  }

  private below(end: number): number {
    return this.random.integer(end);
  }

  private oneOf<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
