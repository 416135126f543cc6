/**
 * Generated commands on streams, by row. Ids are told, and few, so that later ones find them; where the server chooses them, in `{a}auto`, which nothing else
 * touches, they are left out of the comparison.
 */
import fc from '../../harness/properties.js';
import { shownOfGroups, streamGroupFamily } from './stream-groups.js';
import { anyId, count, id, last, strange } from './stream-ids.js';
import { many, options, words, type Family, type Keys, type Words } from './words.js';

export const autoKey = '{a}auto';

const first = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('-', '0', '(2', '(2-1', '(9-0') },
  { weight: 3, arbitrary: id },
  { weight: 1, arbitrary: fc.oneof(strange, fc.constantFrom('(', '(x', '(-', `(${last}-${last}`)) },
);
const end = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('+', '100', '(20-2', '(40') },
  { weight: 3, arbitrary: id },
  { weight: 1, arbitrary: fc.oneof(strange, fc.constantFrom('(', '(x', '(+', '(0-0')) },
);
const field = fc.constantFrom<string | Buffer>('f', 'g', '', '1', 'm\u00e9', Buffer.from([0, 0xff, 0x0d]));
const text = fc.constantFrom<string | Buffer>('v', '', '-7', '9223372036854775807', 'x'.repeat(300), Buffer.from([0xff, 0]));
const fields = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(field, text).chain((one) => many(fc.tuple(field, text), 2).map((more): Words => [...one, ...more])) },
  { weight: 1, arbitrary: many(field, 3) },
);
const about = fc.constantFrom<Words>([], ['='], ['~'], []);
const limit = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Words>([]) },
  { weight: 2, arbitrary: words('LIMIT', fc.constantFrom('0', '1', '100', '-1', 'x')) },
);
// Which entries `~` spares hangs on nodes that Redis has and Torc has not: here it spares all, or none.
const byLength = words('MAXLEN', about, fc.constantFrom('0', '1', '2', '3', '5', '100', '-1', 'x', ''), limit);
const byId = fc.oneof(
  words('MINID', fc.constantFrom<Words>([], ['=']), anyId, limit),
  words('MINID', '~', fc.constantFrom('0-1', '999', 'x'), limit),
);
const trimming = fc.oneof(byLength, byId);
const adding = options(1, trimming, trimming, 'NOMKSTREAM', words('LIMIT', '5'));

export function streamFamily(keys: Keys): Family {
  const { any, near } = keys;
  const reads = options(1, words('COUNT', count));
  const after = fc.oneof({ weight: 6, arbitrary: fc.oneof(id, fc.constantFrom('0', '0-0', '$')) }, { weight: 1, arbitrary: fc.oneof(strange, fc.constantFrom('>', '+')) }).filter((word) => word !== '+'); // prettier-ignore
  return {
    ...streamGroupFamily(keys),
    xadd: fc.oneof(
      { weight: 3, arbitrary: words('XADD', near, adding, anyId, fields) },
      { weight: 2, arbitrary: words('XADD', any, adding, anyId, fields) },
      words('XADD', near, 'NOMKSTREAM', 'MAXLEN', '~', '10', 'LIMIT', '5', anyId, fields),
      words('XADD', fc.constant(autoKey), adding, '*', fields),
      words('XADD', fc.constant(autoKey), fc.constantFrom('5-*', '99999999999999-*', '*-1'), fields),
      words('XADD', near, trimming, trimming, anyId, fields),
    ),
    xlen: words('XLEN', fc.oneof(any, fc.constant(autoKey))),
    xrange: fc.oneof(words('XRANGE', any, first, end, reads), words('XRANGE', near, fc.constant('-'), fc.constant('+'), options(2, words('COUNT', count), 'COUNT'))), // prettier-ignore
    xrevrange: fc.oneof(words('XREVRANGE', any, end, first, reads), words('XREVRANGE', near, fc.constant('+'), fc.constant('-'), reads)),
    xread: fc.oneof(
      words('XREAD', reads, 'STREAMS', near, after),
      words('XREAD', reads, 'STREAMS', near, near, after, after),
      words('XREAD', reads, fc.constantFrom<Words>(['STREAMS', 'a', '{a}2', '0'], ['NOACK', 'STREAMS', 'a', '0'], ['GROUP', 'g', 'c', 'STREAMS', 'a', '0'], ['STREAMS', 'a'], ['COUNT', 'a', '0'])), // prettier-ignore
    ),
    xdel: words('XDEL', fc.oneof(any, near), anyId, many(anyId, 3)),
    xtrim: fc.oneof(words('XTRIM', fc.oneof(any, near), trimming, options(1, 'WRONG')), words('XTRIM', near, 'MAXLEN', trimming)),
    xsetid: fc.oneof(
      words('XSETID', near, anyId, options(2, words('ENTRIESADDED', count), words('MAXDELETEDID', anyId), 'WRONG')),
      words('XSETID', any, fc.constantFrom('60', '70-1'), options(1, words('ENTRIESADDED', fc.constantFrom('50', '100')), words('MAXDELETEDID', id))), // prettier-ignore
    ),
    'xinfo|stream': fc.oneof(
      words('XINFO', 'STREAM', fc.oneof(any, near)),
      words('XINFO', 'STREAM', near, options(1, words('FULL', options(1, words('COUNT', count))), 'WRONG', words('FULL', 'COUNT'), words('FULL', 'WRONG', '1'))), // prettier-ignore
    ),
  };
}

/** The server's own choices, and how Redis keeps a stream, are not compared. */
export function shownOfStream(asked: Words, shown: string): string {
  let rest = shownOfGroups(asked, shown).replaceAll(/(radix-tree-(?:keys|nodes)\W+)\d+/g, '$1#');
  rest = rest.replace("Unbalanced 'xread' list", 'Unbalanced XREAD list'); // 7.0 has its name in capitals
  return asked.includes(autoKey) ? rest.replaceAll(/\d+-\d+/g, 'id') : rest;
}
