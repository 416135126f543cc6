/** Places in sorted sets: each a member whose score is its cell (geo-cell.ts). Semantics and error texts are Redis 7.2's (geo.c). */
import { DecimalReply, ErrorReply, nilArray } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken } from './arguments.js';
import { syntaxError } from './errors.js';
import { fixedDecimal, humanDecimal } from './fixed-decimal.js';
import { distanceBetween } from './geo-area.js';
import { geoDocs as docs, parsePlace, parseUnit } from './geo-arguments.js';
import { geohashText, placeOf, scoreAt, type Place } from './geo-cell.js';
import { firstIsKey } from './row.js';
import { add } from './sorted-sets.js';

const distanceDigits = 4;

/** `unitMeters`: the unit it is shown in. */
export const distanceText = (meters: number, unitMeters: number): string => fixedDecimal(meters / unitMeters, distanceDigits);

export const placeReply = ({ longitude, latitude }: Place): Reply => [
  new DecimalReply(humanDecimal(longitude)),
  new DecimalReply(humanDecimal(latitude)),
];

/** GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...] */
function parseAdd(args: readonly Buffer[]): Run | ErrorReply {
  const options = { nx: false, xx: false, ch: false, gt: false, lt: false, incr: false };
  let at = 2;
  for (; at < args.length; at++) {
    const option = args[at] as Buffer;
    if (isToken(option, 'NX')) options.nx = true;
    else if (isToken(option, 'XX')) options.xx = true;
    else if (isToken(option, 'CH')) options.ch = true;
    else break;
  }
  const count = (args.length - at) / 3;
  if (count === 0 || !Number.isInteger(count) || (options.nx && options.xx)) return syntaxError;
  const [scores, members]: [number[], Buffer[]] = [[], []];
  for (; at < args.length; at += 3) {
    const place = parsePlace(args[at] as Buffer, args[at + 1] as Buffer);
    if (place instanceof ErrorReply) return place;
    scores.push(scoreAt(place));
    members.push(args[at + 2] as Buffer);
  }
  return (execution) => add(execution, args[1] as Buffer, members, scores, options);
}

/** What each member's place comes to; `none` where there is no such member. */
const question =
  (none: Reply, answer: (place: Place) => Reply) =>
  (args: readonly Buffer[]): Run =>
  (execution) => {
    const set = execution.sorted(args[1] as Buffer);
    return args.slice(2).map((member) => {
      const score = set?.scoreOf(member);
      return score === undefined ? none : answer(placeOf(score));
    });
  };

/** Where a score is no place Redis answers what is in its memory by chance. */
const standardText = (place: Place): string =>
  geohashText(Math.abs(place.longitude) <= 180 && Math.abs(place.latitude) <= 90 ? place : { longitude: -180, latitude: -90 });

/** GEODIST key member1 member2 [M | KM | FT | MI] */
function parseDistance(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, from, to, unit] = args as readonly [Buffer, Buffer, Buffer, Buffer, Buffer | undefined];
  if (args.length > 5) return syntaxError;
  const unitMeters = unit === undefined ? 1 : parseUnit(unit);
  if (unitMeters instanceof ErrorReply) return unitMeters;
  return (execution) => {
    const set = execution.sorted(key);
    const [fromScore, toScore] = [set?.scoreOf(from), set?.scoreOf(to)];
    if (fromScore === undefined || toScore === undefined) return null;
    return distanceText(distanceBetween(placeOf(fromScore), placeOf(toScore)), unitMeters);
  };
}

const ofEach = 'O(1) for each member requested.';

export function geoRow(
  name: string,
  arity: number,
  flags: KeyedRow['flags'],
  rowDocs: KeyedRow['docs'],
  parse: KeyedRow['parse'],
  keys: KeyedRow['keys'] = firstIsKey,
): KeyedRow {
  return {
    scope: 'keys',
    name,
    arity,
    flags,
    keys,
    categories: [flags.includes('write') ? 'write' : 'read', 'geo', 'slow'],
    docs: rowDocs,
    parse,
  };
}

export const geoRows: readonly KeyedRow[] = [
  geoRow(
    'geoadd',
    -5,
    ['write', 'denyoom'],
    docs(
      '3.2.0',
      'O(log(N)) for each item added, where N is the number of elements in the sorted set.',
      'Adds one or more members to a geospatial index. The key is created if it does not exist.',
      'key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]',
    ),
    parseAdd,
  ),
  geoRow(
    'geopos',
    -2,
    ['readonly'],
    docs('3.2.0', ofEach, 'Returns the longitude and latitude of members from a geospatial index.', 'key [member [member ...]]'),
    question(nilArray, placeReply),
  ),
  geoRow(
    'geohash',
    -2,
    ['readonly'],
    docs('3.2.0', ofEach, 'Returns members from a geospatial index as geohash strings.', 'key [member [member ...]]'),
    question(null, standardText),
  ),
  geoRow(
    'geodist',
    -4,
    ['readonly'],
    docs('3.2.0', 'O(1)', 'Returns the distance between two members of a geospatial index.', 'key member1 member2 [M | KM | FT | MI]'),
    parseDistance,
  ),
];
