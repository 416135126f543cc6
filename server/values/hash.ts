/** Hashes among the types. */
import { FormatError } from '../../protocol/format-error.js';
import { readListpack } from '../../protocol/rdb/listpack.js';
import type { RdbReader } from '../../protocol/rdb/reader.js';
import { rdbType } from '../../protocol/rdb/types.js';
import { collectionAt, copyCollection, replaceBy } from './collections.js';
import type { Restore, ValueType } from './value-type.js';

/** Up to here Redis packs a hash (hash-max-listpack-entries and -value). */
const packedFieldsMost = 512;
const packedBytesMost = 64;

function restore(pairs: readonly Buffer[]): Restore {
  const fields = new Set(pairs.filter((_, i) => i % 2 === 0).map((field) => field.toString('latin1')));
  if (pairs.length === 0 || pairs.length % 2 === 1 || fields.size * 2 < pairs.length)
    throw new FormatError('INVALID', 'a hash of such fields');
  return replaceBy('hash', pairs);
}

function readFields(reader: RdbReader): Restore {
  const pairs: Buffer[] = [];
  for (let left = 2 * reader.length(); left > 0; left--) pairs.push(Buffer.from(reader.string()));
  return restore(pairs);
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
    const pairs = collectionAt(execution, key, 'hash').pairs();
    writer.u8(rdbType.hash);
    writer.length(pairs.length / 2);
    for (const each of pairs) writer.string(each);
  },
  loaders: new Map([
    [rdbType.hash, readFields],
    [rdbType.hashListpack, (reader) => restore(readListpack(Buffer.from(reader.string())))],
  ]),
};
