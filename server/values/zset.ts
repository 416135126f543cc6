/** Sorted sets among the types. */
import { FormatError } from '../../protocol/format-error.js';
import { readListpack } from '../../protocol/rdb/listpack.js';
import type { RdbReader } from '../../protocol/rdb/reader.js';
import { rdbType } from '../../protocol/rdb/types.js';
import type { Execution, SortedView } from '../../storage/execution.js';
import { encodeScore } from '../../storage/score-value.js';
import { parseScore } from '../commands/score-arguments.js';
import { copyCollection, replaceBy } from './collections.js';
import type { Restore, ValueType } from './value-type.js';

/** Up to here Redis packs a sorted set (zset-max-listpack-entries and -value). */
const packedMembersMost = 128;
const packedBytesMost = 64;

function sortedAt(execution: Execution, key: Buffer): SortedView {
  const set = execution.sorted(key);
  if (set === undefined) throw new Error('the key of a living sorted set has none');
  return set;
}

/** `pairs`: member and score's eight bytes one after the other. */
function restore(pairs: readonly Buffer[]): Restore {
  const members = new Set(pairs.filter((_, i) => i % 2 === 0).map((member) => member.toString('latin1')));
  if (pairs.length === 0 || members.size * 2 < pairs.length) throw new FormatError('INVALID', 'a sorted set of such members');
  return replaceBy('zset', pairs);
}

function readMembers(reader: RdbReader, readScore: (reader: RdbReader) => number): Restore {
  const pairs: Buffer[] = [];
  for (let left = reader.length(); left > 0; left--) {
    const member = Buffer.from(reader.string());
    const score = readScore(reader);
    if (Number.isNaN(score)) throw new FormatError('INVALID', 'a score that is not a number');
    pairs.push(member, encodeScore(score));
  }
  return restore(pairs);
}

/** Little-endian. */
function readDouble(reader: RdbReader): number {
  return Buffer.from(Array.from({ length: 8 }, () => reader.u8())).readDoubleLE();
}

/** As text after its length; three lengths that none has stand for what is not finite. */
function readDoubleText(reader: RdbReader): number {
  const length = reader.u8();
  if (length >= 253) return [NaN, Infinity, -Infinity][length - 253] as number;
  const score = parseScore(Buffer.from(Array.from({ length }, () => reader.u8())));
  if (score === undefined) throw new FormatError('INVALID', 'a score that is no number');
  return score;
}

function readPacked(reader: RdbReader): Restore {
  const entries = readListpack(Buffer.from(reader.string()));
  if (entries.length % 2 === 1) throw new FormatError('INVALID', 'a member without a score');
  return restore(
    entries.map((entry, i) => {
      if (i % 2 === 0) return entry;
      const score = parseScore(entry);
      if (score === undefined) throw new FormatError('INVALID', 'a score that is no number');
      return encodeScore(score);
    }),
  );
}

export const zsetType: ValueType = {
  encoding(execution, key) {
    const set = sortedAt(execution, key);
    if (set.size > packedMembersMost) return 'skiplist';
    return set.elements().every(({ length }) => length <= packedBytesMost) ? 'listpack' : 'skiplist';
  },
  copy(execution, source, target, expiresAtMs) {
    copyCollection(execution, source, target, 'zset', expiresAtMs);
  },
  dump(execution, key, writer) {
    const set = sortedAt(execution, key);
    const members = set.slice(0, set.size);
    writer.u8(rdbType.zset2);
    writer.length(members.length);
    // The last one first, so that a skip list is read in without a search.
    for (const { member, score } of members.reverse()) {
      writer.string(member);
      writer.doubleLE(score);
    }
  },
  loaders: new Map([
    [rdbType.zset, (reader) => readMembers(reader, readDoubleText)],
    [rdbType.zset2, (reader) => readMembers(reader, readDouble)],
    [rdbType.zsetListpack, readPacked],
  ]),
};
