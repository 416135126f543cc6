/** Generated commands on consumer groups of streams, by row; and what of their replies is not compared. */
import fc from '../../harness/properties.js';
import type { StreamContent } from '../../../server/streams/stream.js';
import { anyId, count, id } from './stream-ids.js';
import { many, options, words, type Family, type Keys, type Words } from './words.js';

const group = fc.constantFrom<string | Buffer>('g', 'g', 'g', 'h', '', Buffer.from([0x67, 0xff, 0x0a]));
const reader = fc.constantFrom('c1', 'c2', 'c1', '');
/** Redis 7.0 makes a consumer when it claims something, 7.2 in any case: these do nothing else. */
const claimer = fc.constantFrom('k1', 'k2');
const idle = fc.constantFrom('0', '500000', '0', '-1', 'x', '9223372036854775807');
const start = fc.oneof({ weight: 6, arbitrary: fc.constantFrom('0', '0', '$', '2-1', '9') }, { weight: 1, arbitrary: anyId });
const read = fc.constantFrom('0', '-1', '2', '100', 'x', '-2');

export function streamGroupFamily({ any, near }: Keys): Family {
  const reading = options(2, words('COUNT', count), words('COUNT', fc.constantFrom('1', '2')), 'NOACK');
  const after = fc.oneof({ weight: 6, arbitrary: fc.constantFrom('>', '>', '0') }, { weight: 1, arbitrary: anyId });
  const claiming = options(
    2,
    'FORCE',
    'FORCE',
    'JUSTID',
    words('IDLE', fc.constantFrom('1000000', '0', '-5', 'x')),
    words('TIME', fc.constantFrom('1', '0', '-1', '9999999999999', 'x')),
    words('RETRYCOUNT', fc.constantFrom('7', '0', '-1', 'x', '9223372036854775807')),
    words('LASTID', anyId),
    fc.constant<Words>(['WRONG']),
  );
  return {
    'xgroup|create': fc.oneof(
      {
        weight: 4,
        arbitrary: words('XGROUP', 'CREATE', near, group, start, options(2, 'MKSTREAM', 'MKSTREAM', words('ENTRIESREAD', read))),
      },
      words('XGROUP', 'CREATE', any, group, start, options(3, 'MKSTREAM', 'MKSTREAM', 'WRONG', 'ENTRIESREAD')),
    ),
    'xgroup|setid': fc.oneof(
      words('XGROUP', 'SETID', near, group, start, options(1, words('ENTRIESREAD', read))),
      words(
        'XGROUP',
        'SETID',
        any,
        group,
        fc.oneof(start, fc.constantFrom('-', '+', '(1')),
        options(2, words('ENTRIESREAD', read), 'WRONG'),
      ),
    ),
    'xgroup|destroy': words('XGROUP', 'DESTROY', any, group),
    'xgroup|createconsumer': words('XGROUP', 'CREATECONSUMER', fc.oneof(any, near), group, reader),
    'xgroup|delconsumer': words('XGROUP', 'DELCONSUMER', fc.oneof(any, near), group, reader),
    xreadgroup: fc.oneof(
      { weight: 5, arbitrary: words('XREADGROUP', 'GROUP', group, reader, reading, 'STREAMS', near, after) },
      words('XREADGROUP', 'GROUP', fc.constant('g'), reader, reading, 'STREAMS', near, near, after, after),
      words('XREADGROUP', reading, fc.constantFrom<Words>(['STREAMS', 'a', '0', 'x', '0'], ['GROUP', 'g', 'c1', 'STREAMS', 'a', '$'], ['GROUP', 'g', 'c1', 'STREAMS', 'a', 'b', '0'], ['GROUP', 'g', 'c1', 'COUNT', '1', 'STREAMS'])), // prettier-ignore
    ),
    xack: words('XACK', any, group, anyId, many(anyId, 3)),
    xpending: fc.oneof(
      words('XPENDING', any, group),
      words('XPENDING', near, group, options(1, words('IDLE', idle)), fc.oneof(fc.constantFrom('-', '(2'), anyId), fc.oneof(fc.constantFrom('+', '(9'), anyId), count, options(1, reader.map((each): Words => [each]))), // prettier-ignore
      words('XPENDING', near, group, fc.constantFrom<Words>(['-'], ['-', '+'], ['IDLE', '5', '-', '+'], ['IDLE', 'x', '-', '+', '5'])),
    ),
    xclaim: fc.oneof(
      { weight: 4, arbitrary: words('XCLAIM', near, group, claimer, idle, id, many(id, 3), claiming) },
      words('XCLAIM', any, group, claimer, idle, anyId, many(anyId, 2), claiming),
    ),
    xautoclaim: words('XAUTOCLAIM', fc.oneof(any, near), group, claimer, idle, fc.oneof(fc.constantFrom('-', '0', '(2'), anyId), options(2, words('COUNT', count), 'JUSTID', 'WRONG')), // prettier-ignore
    'xinfo|groups': words('XINFO', 'GROUPS', fc.oneof(any, near)),
    'xinfo|consumers': words('XINFO', 'CONSUMERS', fc.oneof(any, near), group),
  };
}

/** An instant, or a span since one, Unix ms: in units so large that it does not matter how fast a server answers. */
const age = (ms: number): string => `#${Math.round((ms > 1e11 ? Date.now() - ms : ms) / 100_000)}`;

/** The whole of a stream, as text. */
export function shownContent({ entries, groups, ...rest }: StreamContent): string {
  const texts = entries.map(({ id, fields }) => `${id}: ${fields.map((each) => each.toString('hex')).join()}`);
  const groupTexts = groups.map(({ name, lastId, entriesRead, consumers, pending }) => {
    const held = pending
      .toSorted((x, y) => (x.id < y.id ? -1 : 1))
      .map(({ id, consumer, sinceMs, times }) => `${id} ${consumer.toString()} ${age(sinceMs)} ${times}`);
    const names = consumers.filter(
      (each) => !each.name.toString().startsWith('k') || pending.some(({ consumer }) => consumer.equals(each.name)),
    );
    return `${name.toString('hex')} ${lastId} ${entriesRead} [${held.join()}] ${names.map((each) => `${each.name.toString()} ${age(each.seenMs)}`).join()}`;
  });
  return `${texts.join(' ')} ${Object.values(rest).join(' ')} ${groupTexts.join(' ')}`;
}

export function shownOfGroups([name, subcommand]: Words, shown: string): string {
  let rest = shown
    .replace(/Unbalanced 'xreadgroup' (list of streams: for each stream key an ID or )'>'/, (_, rest) => `Unbalanced XREAD ${rest}'$'`) // as 7.0 says it
    .replaceAll(/, \$(inactive|active-time), :-?\d+/g, '') // newer than 7.0
    .replaceAll(/(\$(?:idle|seen-time)), :(\d+)/g, (_, field, ms) => `${field}, ${age(Number(ms))}`);
  if (/^x(pending|info)$/i.test(String(name)))
    rest = rest.replaceAll(/(\[\$\d+-\d+(?:, \$[^,\]]*)?), :(\d+), /g, (_, before, ms) => `${before}, ${age(Number(ms))}, `);
  // A claimer that has nothing.
  rest = rest.replaceAll(/(?:, )?[*%]?\[\$name, \$k\d, \$pending, :0, [^\]]*\]|(?:, )?[*%]?\[\$name, \$k\d, \$seen-time, #\d+, \$pel-count, :0, \$pending, \*?\[\]\]/g, '').replaceAll('[, ', '['); // prettier-ignore
  return /^groups$/i.test(String(subcommand)) ? rest.replaceAll(/\$consumers, :\d+/g, '$consumers') : rest;
}
