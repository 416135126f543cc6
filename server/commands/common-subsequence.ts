/**
 * LCS: the longest common subsequence of two strings, by the table of lengths of all pairs of beginnings (t_string.c, lcsCommand).
 * The table is filled in one go, so it is bounded to what takes less than ten milliseconds, where Redis lets the server stand still for seconds.
 */
import { ErrorReply, MapReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { docsOf } from './row.js';

const docs = docsOf('string');
const cellsMax = 1024 * 1024;
const nothing = Buffer.alloc(0);
const notStrings = new ErrorReply('ERR The specified keys must contain string values');
const lengthAndIndexes = new ErrorReply('ERR If you want both the length and indexes, please just use IDX.');
const tooLong = new ErrorReply(
  `ERR LCS is limited to strings whose lengths multiply to ${cellsMax}: longer ones would hold up every other client`,
);

interface LcsOptions {
  readonly length: boolean;
  readonly indexes: boolean;
  readonly matchLengths: boolean;
  /** Shorter matches are left out; 0 = none. */
  readonly least: number;
}

function parseOptions(args: readonly Buffer[]): LcsOptions | ErrorReply {
  let [length, indexes, matchLengths, least] = [false, false, false, 0];
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    if (isToken(option, 'IDX')) indexes = true;
    else if (isToken(option, 'LEN')) length = true;
    else if (isToken(option, 'WITHMATCHLEN')) matchLengths = true;
    else if (isToken(option, 'MINMATCHLEN') && i + 1 < args.length) {
      const parsed = parseInteger(args[++i] as Buffer);
      if (parsed === undefined) return notAnInteger;
      least = Math.max(0, Number(parsed));
    } else return syntaxError;
  }
  return length && indexes ? lengthAndIndexes : { length, indexes, matchLengths, least };
}

function parseLcs(args: readonly Buffer[]): Run {
  const [, first, second] = args as readonly [Buffer, Buffer, Buffer];
  const options = parseOptions(args);
  return (execution) => {
    const [a, b] = [stringAt(execution, first), stringAt(execution, second)];
    if (a === undefined || b === undefined) return notStrings; // before the options, as in Redis
    if (options instanceof ErrorReply) return options;
    return (a.length + 1) * (b.length + 1) > cellsMax ? tooLong : answer(a, b, options);
  };
}

/** Undefined for another type; an absent key is an empty string. */
function stringAt(execution: Execution, key: Buffer): Buffer | undefined {
  const type = execution.typeOf(key);
  if (type === undefined) return nothing;
  return type === 'string' ? execution.string(key)?.bytes : undefined;
}

function answer(a: Buffer, b: Buffer, options: LcsOptions): Reply {
  const lengths = lengthTable(a, b);
  const length = lengths[lengths.length - 1] as number;
  if (options.length) return length;
  const { common, matches } = walkBack(a, b, lengths, length);
  if (!options.indexes) return common;
  const shown = matches
    .filter(([[start, end]]) => end - start + 1 >= options.least)
    .map(([inA, inB]) => (options.matchLengths ? [inA, inB, inA[1] - inA[0] + 1] : [inA, inB]));
  return new MapReply([
    ['matches', shown],
    ['len', length],
  ]);
}

/** Row i, column j: the length for the first i bytes of `a` and the first j of `b`. */
function lengthTable(a: Buffer, b: Buffer): Uint32Array {
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    const byte = a[i - 1];
    const row = i * width;
    let [left, before] = [0, 0]; // of this row, and of the one above
    for (let j = 1; j <= b.length; j++) {
      const above = table[row - width + j] as number;
      if (byte === b[j - 1]) left = before + 1;
      else if (above > left) left = above;
      table[row + j] = left;
      before = above;
    }
  }
  return table;
}

type Range = readonly [first: number, last: number];

/** From the last bytes to the first; a match is as long as both strings run on alike. The last matches come first. */
function walkBack(a: Buffer, b: Buffer, lengths: Uint32Array, length: number) {
  const width = b.length + 1;
  const common = Buffer.allocUnsafe(length);
  const matches: (readonly [inA: Range, inB: Range])[] = [];
  let run = 0;
  let [i, j, left] = [a.length, b.length, length];
  const endRun = (): void => {
    if (run > 0)
      matches.push([
        [i, i + run - 1],
        [j, j + run - 1],
      ]);
    run = 0;
  };
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      common[--left] = a[i - 1] as number;
      run++;
      i--;
      j--;
    } else {
      endRun();
      if ((lengths[(i - 1) * width + j] as number) > (lengths[i * width + j - 1] as number)) i--;
      else j--;
    }
  }
  endRun();
  return { common, matches };
}

export const commonSubsequenceRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'lcs',
    arity: -3,
    flags: ['readonly'],
    keys: { first: 1, last: 2, step: 1 },
    categories: ['read', 'string', 'slow'],
    docs: docs(
      '7.0.0',
      'O(N*M) where N and M are the lengths of the two strings.',
      'Finds the longest common substring.',
      'key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]',
    ),
    parse: parseLcs,
  },
];
