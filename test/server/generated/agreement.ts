/** Whether two servers gave the same reply to a generated command, as far as it can be the same. Replies are as RawClient or shown() show them. */
import { openPayload } from '../../../protocol/rdb/payload.js';
import { readIntset } from '../../../protocol/rdb/intset.js';
import { readListpack } from '../../../protocol/rdb/listpack.js';
import { doubleText } from '../../../protocol/resp/double-text.js';
import { RdbReader } from '../../../protocol/rdb/reader.js';
import { rdbType } from '../../../protocol/rdb/types.js';
import { parseScore } from '../../../server/commands/score-arguments.js';
import { readStreamPayload } from '../../../server/values/stream-payload.js';
import { isOfHashExpiry } from './hash-expiry.js';
import { shownContent } from './stream-groups.js';
import { shownOfStream } from './streams.js';
import type { Words } from './words.js';

/** A TTL may have run on by this much between two servers' looks. */
const slackMs = 5000;
const slackOf: Readonly<Record<string, number>> = { TTL: slackMs / 1000, PTTL: slackMs, EXPIRETIME: slackMs / 1000, PEXPIRETIME: slackMs };

/** The fields of an array as it is shown, in any order. */
const sorted = (shown: string): string =>
  shown
    .replace(/^\*?\[|\]$/g, '')
    .split(', ')
    .toSorted()
    .join(', ');
/** The same of what may come as array, map or set, whose kind has to be the same. */
const sortedKind = (shown: string): string => {
  const [, kind = '', inside = ''] = /^([^[]*)\[(.*)\]$/s.exec(shown) ?? [];
  return `${kind}[${inside.split(', ').toSorted().join(', ')}]`;
};
/**
 * What Torc may name what Redis names so: it says how Redis would keep the value had it just been set, and Redis does not go back to what is smaller once a value has become
 * smaller, or was put together by APPEND. Nor has Redis 7.0 packed sets, or lists that are one listpack. The other way round they have to be the same.
 */
const encodings: Readonly<Record<string, RegExp>> = {
  $raw: /^\$(embstr|int)$/,
  $embstr: /^\$int$/,
  $hashtable: /^\$(listpack|intset)$/,
  $skiplist: /^\$listpack$/,
  $quicklist: /^\$listpack$/,
};
const inAnyOrder = /^(HGETALL|HKEYS|HVALS|SMEMBERS|SINTER|SUNION|SDIFF|HSCAN|SSCAN|SPOP|HRANDFIELD|SRANDMEMBER)$/;

/** A packed score is an integer, or a double's text. */
const scoreOf = (text: string): string => doubleText(parseScore(Buffer.from(text)) ?? NaN);

/** The value that a DUMP holds, elements in order: Redis compresses and packs, Torc does not. */
function dumped(shown: string): string {
  const body = openPayload(Buffer.from(shown.slice(1), 'latin1'));
  if (body === undefined) return 'no payload';
  const reader = new RdbReader(body);
  const type = reader.u8();
  if (type === rdbType.string) return `string ${reader.string().toString('latin1')}`;
  if (type === rdbType.zset2) {
    const members = Array.from({ length: reader.length() }, () => {
      const member = reader.string().toString('latin1');
      return `${member}=${doubleText(Buffer.from(Array.from({ length: 8 }, () => reader.u8())).readDoubleLE())}`;
    });
    return `zset ${members.toSorted().join()}`;
  }
  if (type === rdbType.list) return `list ${Array.from({ length: reader.length() }, () => reader.string().toString('latin1')).join()}`;
  if (type === rdbType.listQuicklist2) {
    const values: Buffer[] = [];
    for (let left = reader.length(); left > 0; left--) {
      const isPlain = reader.length() === 1;
      const node = reader.string();
      if (isPlain) values.push(node);
      else values.push(...readListpack(Buffer.from(node)));
    }
    return `list ${values.map((each) => each.toString('latin1')).join()}`;
  }
  if (type === rdbType.streamListpacks2) return `stream ${shownContent(readStreamPayload(type)(reader))}`;
  const isHash = type === rdbType.hash || type === rdbType.hashListpack;
  const flat: Buffer[] = [];
  if (type === rdbType.hash || type === rdbType.set) {
    for (let left = reader.length() * (isHash ? 2 : 1); left > 0; left--) flat.push(reader.string());
  } else flat.push(...(type === rdbType.setIntset ? readIntset(reader.string()) : readListpack(reader.string())));
  const texts = flat.map((each) => each.toString('latin1'));
  const isScored = type === rdbType.zsetListpack;
  const valueOf = isScored ? scoreOf : (text: string): string => text;
  const elements = isHash || isScored ? texts.flatMap((text, i) => (i % 2 === 0 ? [`${text}=${valueOf(texts[i + 1] ?? '')}`] : [])) : texts;
  return `${isScored ? 'zset' : isHash ? 'hash' : 'set'} ${elements.toSorted().join()}`;
}

/** Chosen by chance: as many, or nothing at both, is all there is to compare. */
const shapeOf = (shown: string): string => (shown.startsWith('$') ? '$' : shown.replace(/[^,[\]]/g, ''));

/**
 * Distances: the C library's sines and JavaScript's differ in a double's last digit, here and there. So may what is stored of them, and four digits after the
 * point where the fifth is on the border.
 */
function areAsFar(ours: string, theirs: string): boolean {
  const [mine, its] = [ours, theirs].map((shown) => shown.split(/([\d.]+)/)) as [string[], string[]];
  return (
    mine.length === its.length &&
    mine.every((part, i) => part === its[i] || (i % 2 === 1 && part.includes('.') && Math.abs(Number(part) - Number(its[i])) <= 1e-4))
  );
}

/** Another slot's keys are refused, as by a cluster; and what nothing puts in order, or only something that is the same of several, comes in any order. */
function areAsSorted(asked: Words, ours: string, theirs: string): boolean {
  if (/^-ERR (BY|GET) option of SORT denied in Cluster mode\.$/.test(ours)) return true;
  const has = (word: string): boolean => asked.some((each) => String(each).toUpperCase() === word);
  if (!has('BY')) return false;
  // Which of those that are the same LIMIT leaves is chance, too.
  if (has('LIMIT') && (has('ALPHA') || has('NOSORT') || asked.includes('{a}w_*->'))) return shapeOf(ours) === shapeOf(theirs);
  return sortedKind(ours.replaceAll('null', 'nil')) === sortedKind(theirs.replaceAll('null', 'nil'));
}

/** What Redis 7.2 refuses and 7.0 did, or refused for another reason, and what only Torc refuses: the two may hold different things from here on. */
export function endsComparison(ours: string, theirs: string): boolean {
  if (/^-ERR entries_added above \d+ is not supported$/.test(ours)) return true;
  return ours === '-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id' && theirs !== ours;
}

/** Where two servers may differ: by the time that passes, in order, in chance, and in what is not tracked here. */
export function agree(asked: Words, ours: string, theirs: string): boolean {
  if (ours === theirs) return true;
  const [name = '', subcommand = ''] = asked.map((word) => String(word).toUpperCase());
  const slack = slackOf[name] ?? 0;
  const [a, b] = [ours, theirs].map((shown) => (/^:\d+$/.test(shown) ? Number(shown.slice(1)) : -1)) as [number, number];
  if (slack > 0) return a > 0 && b > 0 && Math.abs(a - b) <= slack;
  if (/^X(ADD|LEN|RANGE|REVRANGE|READ|DEL|TRIM|SETID|INFO|GROUP|READGROUP|ACK|PENDING|CLAIM|AUTOCLAIM)$/.test(name))
    return shownOfStream(asked, ours) === shownOfStream(asked, theirs);
  if (name === 'KEYS' || name === 'SCAN') return sorted(ours) === sorted(theirs);
  if (/^(HRANDFIELD|SRANDMEMBER|ZRANDMEMBER)$/.test(name)) return shapeOf(ours) === shapeOf(theirs);
  if (asked.some((word) => /^novalues$/i.test(String(word)))) return theirs === '-ERR syntax error' && ours.startsWith('*'); // newer than 7.0
  if (asked.some((word) => /^withscore$/i.test(String(word)))) return theirs.startsWith('-ERR wrong number') && !ours.startsWith('-ERR'); // newer than 7.0
  // Redis 7.0 takes a rank that has no positive counterpart.
  if (name === 'LPOS' && asked.includes('-9223372036854775808'))
    return ours.startsWith('-ERR value is out of range, value must between') && !theirs.startsWith('-ERR value is out of range');
  if (isOfHashExpiry(name))
    return theirs.startsWith('-ERR unknown command') && !/^-(ERR un(known|supported) command|[A-Z]+ .*not supported)/.test(ours); // newer than 7.0
  if (/^GEO(DIST|SEARCH|RADIUS)/.test(name) || asked[1] === '{a}far') return areAsFar(ours, theirs);
  if (/^SORT(_RO)?$/.test(name)) return areAsSorted(asked, ours, theirs);
  if (inAnyOrder.test(name)) return sortedKind(ours) === sortedKind(theirs);
  if (name === 'RANDOMKEY') return ours.startsWith('$') && theirs.startsWith('$');
  if (name === 'DUMP') return ours.startsWith('$') && theirs.startsWith('$') && dumped(ours) === dumped(theirs);
  if (name === 'MEMORY') return a > 0 && b > 0;
  // Redis 7.2 looks at the arguments first, 7.0 at the key.
  if (name === 'BITCOUNT' || name === 'BITPOS') return ours.startsWith('-ERR') && /^(:0|:-1|-WRONGTYPE .*)$/.test(theirs);
  if (name !== 'OBJECT') return false;
  if (subcommand === 'ENCODING') return encodings[theirs]?.test(ours) === true;
  if (subcommand === 'REFCOUNT') return a === 1 && b >= 1;
  return subcommand === 'IDLETIME' && ours === '-ERR idle time is not tracked' && b >= 0;
}
