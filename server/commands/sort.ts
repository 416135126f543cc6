/** SORT and SORT_RO. Semantics and error texts are Redis 7.2's (sort.c), in its locale C; what BY and GET may name is Redis 8.0's of a cluster (sort-pattern.ts). */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { docsOf, firstIsKey } from './row.js';
import { parseScore } from './score-arguments.js';
import { isOfSlotOf, parseSortPattern, valueOf, type SortPattern } from './sort-pattern.js';
import { sortSource, storeSorted } from './sort-source.js';

const byDenied = new ErrorReply('ERR BY option of SORT denied in Cluster mode.');
const getDenied = new ErrorReply('ERR GET option of SORT denied in Cluster mode.');
const byNeedsAllKeys = new ErrorReply('ERR BY option of SORT denied due to insufficient ACL permissions.');
const getNeedsAllKeys = new ErrorReply('ERR GET option of SORT denied due to insufficient ACL permissions.');
const notNumbers = new ErrorReply("ERR One or more scores can't be converted into double");

interface SortOptions {
  isDescending: boolean;
  isAlphabetic: boolean;
  /** BY something that names nothing: as they come. */
  isUnsorted: boolean;
  by: SortPattern | undefined;
  readonly gets: SortPattern[];
  start: number;
  /** Below 0 = all. */
  count: number;
  target: Buffer | undefined;
}

function parseOptions(args: readonly Buffer[], mayStore: boolean): SortOptions | ErrorReply {
  const key = args[1] as Buffer;
  const options: SortOptions = {
    isDescending: false,
    isAlphabetic: false,
    isUnsorted: false,
    by: undefined,
    gets: [],
    start: 0,
    count: -1,
    target: undefined,
  };
  for (let i = 2; i < args.length; i++) {
    const option = args[i] as Buffer;
    const [first, second] = args.slice(i + 1, i + 3);
    if (isToken(option, 'ASC')) options.isDescending = false;
    else if (isToken(option, 'DESC')) options.isDescending = true;
    else if (isToken(option, 'ALPHA')) options.isAlphabetic = true;
    else if (isToken(option, 'LIMIT') && first !== undefined && second !== undefined) {
      const [start, count] = [parseInteger(first), parseInteger(second)];
      if (start === undefined || count === undefined) return notAnInteger;
      [options.start, options.count] = [Number(start), Number(count)];
      i += 2;
    } else if (mayStore && isToken(option, 'STORE') && first !== undefined) {
      options.target = first;
      i++;
    } else if (isToken(option, 'BY') && first !== undefined) {
      options.by = parseSortPattern(first);
      if (options.by.isConstant) options.isUnsorted = true;
      else if (!isOfSlotOf(options.by, key)) return byDenied;
      i++;
    } else if (isToken(option, 'GET') && first !== undefined) {
      const get = parseSortPattern(first);
      if (!get.isConstant && !isOfSlotOf(get, key)) return getDenied;
      options.gets.push(get);
      i++;
    } else return syntaxError;
  }
  return options;
}

/** What an element is put in order by. */
interface Weighed {
  readonly element: Buffer;
  readonly number: number;
  readonly bytes: Buffer | undefined;
}

const leadingSpace = /^[ \t\n\v\f\r]+/;

/** As C reads a double: nothing at all is 0. Undefined when it is none as a whole. */
function weightOf(bytes: Buffer): number | undefined {
  const text = bytes.toString('latin1').replace(leadingSpace, '');
  return text === '' ? (bytes.length === 0 ? 0 : undefined) : parseScore(Buffer.from(text, 'latin1'));
}

/** Of equal numbers the bytes decide; what has nothing to be put in order by comes first. */
function compare(x: Weighed, y: Weighed, isAlphabetic: boolean): number {
  if (!isAlphabetic) return x.number === y.number ? Buffer.compare(x.element, y.element) : x.number - y.number;
  if (x.bytes === undefined || y.bytes === undefined) return x.bytes === y.bytes ? 0 : x.bytes === undefined ? -1 : 1;
  return Buffer.compare(x.bytes, y.bytes);
}

/** Undefined when a weight is no number. */
function inOrder(execution: Execution, elements: readonly Buffer[], { by, isAlphabetic, isDescending }: SortOptions): Buffer[] | undefined {
  const weighed: Weighed[] = [];
  for (const element of elements) {
    const bytes = by === undefined ? element : valueOf(execution, by, element);
    const number = isAlphabetic || bytes === undefined ? 0 : weightOf(bytes);
    if (number === undefined) return undefined;
    weighed.push({ element, number, bytes });
  }
  const sign = isDescending ? -1 : 1;
  return weighed.sort((x, y) => sign * compare(x, y, isAlphabetic)).map(({ element }) => element);
}

/** What LIMIT leaves, as Redis reckons it. */
function limited(elements: readonly Buffer[], { start, count }: SortOptions): readonly Buffer[] {
  const from = Math.min(Math.max(start, 0), elements.length);
  return elements.slice(from, count < 0 ? elements.length : Math.min(from + count, elements.length));
}

function run(execution: Execution, key: Buffer, options: SortOptions): Reply {
  const { target, gets } = options;
  const source = sortSource(execution, key);
  let sorted: readonly Buffer[] | undefined;
  if (!options.isUnsorted) sorted = inOrder(execution, source.elements, options);
  else if (!source.isOrdered && target !== undefined)
    sorted = inOrder(execution, source.elements, { ...options, by: undefined, isAlphabetic: true });
  else sorted = source.isOrdered && options.isDescending ? source.elements.toReversed() : source.elements;
  if (sorted === undefined) return notNumbers;
  const taken = limited(sorted, options);
  const shown = gets.length === 0 ? taken : taken.flatMap((element) => gets.map((get) => valueOf(execution, get, element)));
  if (target === undefined) return shown.map((value) => value ?? null);
  return storeSorted(
    execution,
    target,
    shown.map((value) => value ?? Buffer.alloc(0)),
  );
}

const parseSort =
  (mayStore: boolean) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const options = parseOptions(args, mayStore);
    return options instanceof ErrorReply ? options : (execution) => run(execution, args[1] as Buffer, options);
  };

/** A pattern names keys that no argument does. */
function looksFurther(args: readonly Buffer[]): boolean {
  const options = parseOptions(args, true);
  if (options instanceof ErrorReply) return false;
  return [options.by, ...options.gets].some((pattern) => pattern !== undefined && !pattern.isConstant);
}

/** Redis asks it of every GET, GET # too. */
function readsAnyKey(args: readonly Buffer[]): ErrorReply | undefined {
  const options = parseOptions(args, true);
  if (options instanceof ErrorReply) return undefined;
  if (options.by !== undefined && !options.by.isConstant) return byNeedsAllKeys;
  return options.gets.length > 0 ? getNeedsAllKeys : undefined;
}

function keysOf(args: readonly Buffer[]): readonly Buffer[] {
  const options = parseOptions(args, true);
  const key = args[1] as Buffer;
  return options instanceof ErrorReply || options.target === undefined ? [key] : [key, options.target];
}

const docs = docsOf('generic');
const complexity =
  'O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).';
const syntax = 'key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]';
const types = ['set', 'sortedset', 'list', 'slow', 'dangerous'];

export const sortRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'sort',
    arity: -2,
    flags: ['write', 'denyoom', 'movablekeys'],
    keys: firstIsKey,
    categories: ['write', ...types],
    docs: docs(
      '1.0.0',
      complexity,
      'Sorts the elements in a list, a set, or a sorted set, optionally storing the result.',
      `${syntax} [STORE destination]`,
    ),
    findKeys: keysOf,
    looksFurther,
    readsAnyKey,
    parse: parseSort(true),
  },
  {
    scope: 'keys',
    name: 'sort_ro',
    arity: -2,
    flags: ['readonly', 'movablekeys'],
    keys: firstIsKey,
    categories: ['read', ...types],
    docs: docs('7.0.0', complexity, 'Returns the sorted elements of a list, a set, or a sorted set.', syntax),
    looksFurther,
    readsAnyKey,
    parse: parseSort(false),
  },
];
