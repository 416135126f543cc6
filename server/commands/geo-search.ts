/**
 * What lies in a circle or a box: GEOSEARCH, the older GEORADIUS and theirs that store. Semantics and error texts are Redis 7.2's (geo.c): it looks at the key before it
 * looks at options, so a wrong option is answered by the run.
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, ScoredMember, SortedView } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { int64Min, isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { cellsOf, distanceWithin, type Shape } from './geo-area.js';
import { geoDocs as docs, parseBox, parsePlace, parseRadius, type Reach } from './geo-arguments.js';
import { placeOf, scoresOf, type Cell, type Place } from './geo-cell.js';
import { distanceText, geoRow, placeReply } from './geo.js';
import { store } from './sorted-set-ranges.js';

const noSuchMember = new ErrorReply('ERR could not decode requested zset member');
const countTooSmall = new ErrorReply('ERR COUNT must be > 0');
const anyOfAll = new ErrorReply('ERR the ANY argument requires COUNT argument');
const shownAndStored = (what: string): ErrorReply =>
  new ErrorReply(`ERR ${what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`);
const oneOf = (what: string, args: readonly Buffer[]): ErrorReply =>
  new ErrorReply(`ERR exactly one of ${what} can be specified for ${(args[0] as Buffer).toString('latin1')}`, 'latin1');

/** What a command's name says. */
interface Form {
  /** Where the center is: in a place, in a member, or in options. */
  readonly from: 'place' | 'member' | 'options';
  /** Where the key searched stands. */
  readonly keyAt: 1 | 2;
  readonly mayStore: boolean;
}

interface Search {
  /** Of those that are said to be the center the last counts, but each has to be there. */
  readonly members: Buffer[];
  place: Place | undefined;
  reach: Reach | undefined;
  withDistance: boolean;
  withScore: boolean;
  withPlace: boolean;
  order: 'ascending' | 'descending' | 'none';
  /** 0 = all. */
  count: number;
  any: boolean;
  target: Buffer | undefined;
  storesDistances: boolean;
}

interface Parsed {
  readonly search: Search;
  /** Answered even if there is no key. */
  readonly error: ErrorReply | undefined;
  /** Answered if there is one. */
  readonly memberError: ErrorReply | undefined;
}

const isRefused = <Value extends object>(value: Value | ErrorReply): value is ErrorReply => value instanceof ErrorReply;

function parse(args: readonly Buffer[], form: Form): Parsed {
  const search: Search = {
    members: [],
    place: undefined,
    reach: undefined,
    withDistance: false,
    withScore: false,
    withPlace: false,
    order: 'none',
    count: 0,
    any: false,
    target: form.keyAt === 2 ? args[1] : undefined,
    storesDistances: false,
  };
  const refused = (error: ErrorReply): Parsed => ({ search, error, memberError: undefined });
  let memberError: ErrorReply | undefined;
  let optionsAt = form.keyAt + 1;
  if (form.from === 'place') {
    const place = parsePlace(args[2] as Buffer, args[3] as Buffer);
    if (isRefused(place)) return refused(place);
    search.place = place;
  } else if (form.from === 'member') search.members.push(args[2] as Buffer);
  if (form.from !== 'options') {
    optionsAt = form.from === 'place' ? 6 : 5;
    const reach = parseRadius(args[optionsAt - 2] as Buffer, args[optionsAt - 1] as Buffer);
    if (!isRefused(reach)) search.reach = reach;
    else if (form.from === 'place') return refused(reach);
    else memberError = reach;
  }
  return { search, error: parseOptions(args, optionsAt, form, search) ?? conflict(args, form, search), memberError };
}

/** Options into `search`, from argument `at` on. */
function parseOptions(args: readonly Buffer[], at: number, form: Form, search: Search): ErrorReply | undefined {
  const isSearch = form.from === 'options';
  let hasBox: boolean | undefined;
  for (let i = at; i < args.length; i++) {
    const option = args[i] as Buffer;
    const [first, second, third] = args.slice(i + 1, i + 4);
    if (isToken(option, 'WITHDIST')) search.withDistance = true;
    else if (isToken(option, 'WITHHASH')) search.withScore = true;
    else if (isToken(option, 'WITHCOORD')) search.withPlace = true;
    else if (isToken(option, 'ANY')) search.any = true;
    else if (isToken(option, 'ASC')) search.order = 'ascending';
    else if (isToken(option, 'DESC')) search.order = 'descending';
    else if (isToken(option, 'COUNT') && first !== undefined) {
      const count = parseInteger(first);
      if (count === undefined) return notAnInteger;
      if (count <= 0) return countTooSmall;
      search.count = Number(count);
      i++;
    } else if (!isSearch && form.mayStore && first !== undefined && isStoring(option)) {
      search.target = first;
      search.storesDistances = isToken(option, 'STOREDIST');
      i++;
    } else if (isSearch && form.mayStore && isToken(option, 'STOREDIST')) search.storesDistances = true;
    else if (isSearch && isToken(option, 'FROMMEMBER') && first !== undefined && search.place === undefined) {
      search.members.push(first);
      i++;
    } else if (isSearch && isToken(option, 'FROMLONLAT') && first !== undefined && second !== undefined && search.members.length === 0) {
      const place = parsePlace(first, second);
      if (isRefused(place)) return place;
      search.place = place;
      i += 2;
    } else if (isSearch && isToken(option, 'BYRADIUS') && first !== undefined && second !== undefined && hasBox !== true) {
      const reach = parseRadius(first, second);
      if (isRefused(reach)) return reach;
      [search.reach, hasBox] = [reach, false];
      i += 2;
    } else if (
      isSearch &&
      isToken(option, 'BYBOX') &&
      first !== undefined &&
      second !== undefined &&
      third !== undefined &&
      hasBox !== false
    ) {
      const reach = parseBox(first, second, third);
      if (isRefused(reach)) return reach;
      [search.reach, hasBox] = [reach, true];
      i += 3;
    } else return syntaxError;
  }
  return undefined;
}

const isStoring = (option: Buffer): boolean => isToken(option, 'STORE') || isToken(option, 'STOREDIST');

/** Options that are right each, and wrong together. */
function conflict(args: readonly Buffer[], { from }: Form, search: Search): ErrorReply | undefined {
  const isSearch = from === 'options';
  if (search.target !== undefined && (search.withDistance || search.withScore || search.withPlace))
    return shownAndStored(isSearch ? 'GEOSEARCHSTORE' : 'STORE option in GEORADIUS');
  if (isSearch && search.members.length === 0 && search.place === undefined) return oneOf('FROMMEMBER or FROMLONLAT', args);
  if (isSearch && search.reach === undefined) return oneOf('BYRADIUS and BYBOX', args);
  return search.any && search.count === 0 ? anyOfAll : undefined;
}

interface Found extends ScoredMember {
  readonly place: Place;
  readonly meters: number;
}

/** Up to `limit` of them, cell by cell, in each by score. */
function foundIn(set: SortedView, shape: Shape, cells: readonly Cell[], limit: number): Found[] {
  const found: Found[] = [];
  for (const cell of cells) {
    const { least, most } = scoresOf(cell);
    for (const { member, score } of set.slice(set.countToScore(least, false), set.countToScore(most, false))) {
      if (found.length >= limit) return found;
      const place = placeOf(score);
      const meters = distanceWithin(shape, place);
      if (meters !== undefined) found.push({ member, score, place, meters });
    }
  }
  return found;
}

function inOrder(found: readonly Found[], order: Search['order']): readonly Found[] {
  if (order === 'none') return found;
  const sign = order === 'ascending' ? 1 : -1;
  return found.toSorted((x, y) => sign * (x.meters - y.meters));
}

/** C's conversion to a 64-bit integer. */
const wholeScore = (score: number): number | bigint => {
  if (Number.isSafeInteger(score)) return score;
  return Math.abs(score) < 2 ** 63 ? BigInt(Math.trunc(score)) : int64Min;
};

function foundReply(found: readonly Found[], { withDistance, withScore, withPlace }: Search, unitMeters: number): Reply {
  if (!withDistance && !withScore && !withPlace) return found.map(({ member }) => member);
  return found.map(({ member, score, place, meters }) => {
    const shown: Reply[] = [member];
    if (withDistance) shown.push(distanceText(meters, unitMeters));
    if (withScore) shown.push(wholeScore(score));
    if (withPlace) shown.push(placeReply(place));
    return shown;
  });
}

function run(execution: Execution, key: Buffer, { search, error, memberError }: Parsed): Reply {
  const set = execution.sorted(key);
  let center = search.place;
  if (set !== undefined) {
    for (const member of search.members) {
      const score = set.scoreOf(member);
      if (score === undefined) return noSuchMember;
      center = placeOf(score);
    }
    if (memberError !== undefined) return memberError;
  }
  if (error !== undefined) return error;
  const { target, reach, count } = search;
  if (set === undefined || center === undefined || reach === undefined) return target === undefined ? [] : store(execution, target, []);
  const shape: Shape = { center, ...reach };
  const found = foundIn(set, shape, cellsOf(shape), search.any ? count : Infinity);
  // The nearest are meant where only a number is said.
  const order = count > 0 && search.order === 'none' && !search.any ? 'ascending' : search.order;
  const ordered = inOrder(found, order);
  const taken = count > 0 ? ordered.slice(0, count) : ordered;
  if (target === undefined) return foundReply(taken, search, reach.unitMeters);
  const scored = search.storesDistances ? taken.map(({ member, meters }) => ({ member, score: meters / reach.unitMeters })) : taken;
  return store(execution, target, scored);
}

const parseSearch =
  (form: Form) =>
  (args: readonly Buffer[]): Run => {
    const parsed = parse(args, form);
    return (execution) => run(execution, args[form.keyAt] as Buffer, parsed);
  };

/** The key searched, and the one that the last STORE or STOREDIST names. */
const keysFrom =
  (optionsAt: number) =>
  (args: readonly Buffer[]): readonly Buffer[] => {
    let target: Buffer | undefined;
    for (let i = optionsAt; i + 1 < args.length; i++) if (isStoring(args[i] as Buffer)) target = args[++i];
    return target === undefined ? [args[1] as Buffer] : [args[1] as Buffer, target];
  };

const complexity =
  'O(N+log(M)) where N is the number of elements in the cells around the shape and M is the number of items inside the shape.';
const shown = '[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]';
const stored = ' [STORE key | STOREDIST key]';
const center = '<FROMMEMBER member | FROMLONLAT longitude latitude>';
const reach = '<BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>>';
const radius = 'radius <M | KM | FT | MI>';

function radiusRow(name: string, from: 'place' | 'member', mayStore: boolean, since: string, summary: string): KeyedRow {
  const around = from === 'place' ? 'longitude latitude' : 'member';
  const row = geoRow(
    name,
    from === 'place' ? -6 : -5,
    mayStore ? ['write', 'denyoom', 'movablekeys'] : ['readonly'],
    docs(since, complexity, summary, `key ${around} ${radius} ${shown}${mayStore ? stored : ''}`),
    parseSearch({ from, keyAt: 1, mayStore }),
  );
  return mayStore ? { ...row, findKeys: keysFrom(from === 'place' ? 6 : 5) } : row;
}

const ofPlace = 'Queries a geospatial index for members within a distance from a coordinate';
const ofMember = 'Queries a geospatial index for members within a distance from a member';

export const geoSearchRows: readonly KeyedRow[] = [
  geoRow(
    'geosearch',
    -7,
    ['readonly'],
    docs(
      '6.2.0',
      complexity,
      'Queries a geospatial index for members inside an area of a box or a circle.',
      `key ${center} ${reach} [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`,
    ),
    parseSearch({ from: 'options', keyAt: 1, mayStore: false }),
  ),
  geoRow(
    'geosearchstore',
    -8,
    ['write', 'denyoom'],
    docs(
      '6.2.0',
      complexity,
      'Queries a geospatial index for members inside an area of a box or a circle, and stores the result.',
      `destination source ${center} ${reach} [ASC | DESC] [COUNT count [ANY]] [STOREDIST]`,
    ),
    parseSearch({ from: 'options', keyAt: 2, mayStore: true }),
    { first: 1, last: 2, step: 1 },
  ),
  radiusRow('georadius', 'place', true, '3.2.0', `${ofPlace}, optionally stores the result.`),
  radiusRow('georadius_ro', 'place', false, '3.2.10', `${ofPlace}.`),
  radiusRow('georadiusbymember', 'member', true, '3.2.0', `${ofMember}, optionally stores the result.`),
  radiusRow('georadiusbymember_ro', 'member', false, '3.2.10', `${ofMember}.`),
];
