/** Hashes among the types. Where fields expire they are dumped as Redis 7.4 dumps them: with the soonest instant, and the others' distance from it. */
import { FormatError } from '../../protocol/format-error.js';
import { readListpack } from '../../protocol/rdb/listpack.js';
import type { RdbReader } from '../../protocol/rdb/reader.js';
import { rdbType } from '../../protocol/rdb/types.js';
import type { RdbWriter } from '../../protocol/rdb/writer.js';
import { parseInteger } from '../commands/arguments.js';
import { collectionAt, copyCollection, expiriesOf, replaceBy } from './collections.js';
import type { Restore, ValueType } from './value-type.js';

/** Up to here Redis packs a hash (hash-max-listpack-entries and -value). */
const packedFieldsMost = 512;
const packedBytesMost = 64;

function restore(pairs: readonly Buffer[], expiries: readonly number[] = []): Restore {
  const fields = new Set(pairs.filter((_, i) => i % 2 === 0).map((field) => field.toString('latin1')));
  if (pairs.length === 0 || pairs.length % 2 === 1 || fields.size * 2 < pairs.length)
    throw new FormatError('INVALID', 'a hash of such fields');
  return replaceBy('hash', pairs, expiries);
}

function readFields(reader: RdbReader): Restore {
  const pairs: Buffer[] = [];
  for (let left = 2 * reader.length(); left > 0; left--) pairs.push(Buffer.from(reader.string()));
  return restore(pairs);
}

/** Each field after how far its instant, plus one, lies beyond the soonest; 0 = none. */
function readTimedFields(reader: RdbReader): Restore {
  const soonestMs = reader.u64LE();
  const [pairs, expiries]: [Buffer[], number[]] = [[], []];
  for (let left = reader.length(); left > 0; left--) {
    const beyond = reader.number();
    expiries.push(beyond === 0 ? 0 : soonestMs + beyond - 1);
    pairs.push(Buffer.from(reader.string()), Buffer.from(reader.string()));
  }
  return restore(pairs, expiries);
}

/** Field, value and instant one after the other. */
function readPackedTimedFields(reader: RdbReader): Restore {
  reader.u64LE(); // the soonest, which the instants say again
  const entries = readListpack(Buffer.from(reader.string()));
  const instants = entries.filter((_, i) => i % 3 === 2).map((text) => parseInteger(text));
  if (entries.length % 3 !== 0 || instants.some((instant) => typeof instant !== 'number' || instant < 0))
    throw new FormatError('INVALID', 'a hash of such instants');
  return restore(
    entries.filter((_, i) => i % 3 !== 2),
    instants as number[],
  );
}

function dumpTimed(writer: RdbWriter, pairs: readonly Buffer[], expiries: readonly number[]): void {
  const soonestMs = expiries.reduce((soonest, instant) => (instant === 0 ? soonest : Math.min(soonest, instant)), Infinity);
  writer.u8(rdbType.hashMetadata);
  writer.u64LE(soonestMs);
  writer.length(expiries.length);
  expiries.forEach((instant, i) => {
    writer.length(instant === 0 ? 0 : instant - soonestMs + 1);
    writer.string(pairs[2 * i] as Buffer);
    writer.string(pairs[2 * i + 1] as Buffer);
  });
}

export const hashType: ValueType = {
  encoding(execution, key) {
    const hash = collectionAt(execution, key, 'hash');
    if (hash.size > packedFieldsMost) return 'hashtable';
    return hash.pairs().every(({ length }) => length <= packedBytesMost) ? 'listpack' : 'hashtable';
  },
  copy(execution, source, target, expiresAtMs) {
    copyCollection(execution, source, target, 'hash', expiresAtMs);
  },
  dump(execution, key, writer) {
    const hash = collectionAt(execution, key, 'hash');
    const pairs = hash.pairs();
    const expiries = expiriesOf(hash, pairs);
    if (expiries.some((instant) => instant !== 0)) return dumpTimed(writer, pairs, expiries);
    writer.u8(rdbType.hash);
    writer.length(pairs.length / 2);
    for (const each of pairs) writer.string(each);
  },
  loaders: new Map([
    [rdbType.hash, readFields],
    [rdbType.hashMetadata, readTimedFields],
    [rdbType.hashListpackEx, readPackedTimedFields],
    [rdbType.hashListpack, (reader) => restore(readListpack(Buffer.from(reader.string())))],
  ]),
};
