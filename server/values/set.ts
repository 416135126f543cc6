/** Sets among the types. */
import { FormatError } from '../../protocol/format-error.js';
import { readIntset } from '../../protocol/rdb/intset.js';
import { readListpack } from '../../protocol/rdb/listpack.js';
import type { RdbReader } from '../../protocol/rdb/reader.js';
import { rdbType } from '../../protocol/rdb/types.js';
import { parseInteger } from '../commands/arguments.js';
import { collectionAt, copyCollection, replaceBy } from './collections.js';
import type { Restore, ValueType } from './value-type.js';

/** Up to here Redis keeps a set of integers as one array, and packs another (set-max-intset-entries, set-max-listpack-entries and -value). */
const integersMost = 512;
const packedMembersMost = 128;
const packedBytesMost = 64;
const noValue = Buffer.alloc(0);

function restore(members: readonly Buffer[]): Restore {
  const different = new Set(members.map((member) => member.toString('latin1')));
  if (members.length === 0 || different.size < members.length) throw new FormatError('INVALID', 'a set of such members');
  return replaceBy(
    'set',
    members.flatMap((member) => [member, noValue]),
  );
}

function readMembers(reader: RdbReader): Restore {
  const members: Buffer[] = [];
  for (let left = reader.length(); left > 0; left--) members.push(Buffer.from(reader.string()));
  return restore(members);
}

export const setType: ValueType = {
  encoding(execution, key) {
    const set = collectionAt(execution, key, 'set');
    if (set.size > integersMost) return 'hashtable';
    const members = set.elements();
    if (members.every((member) => parseInteger(member) !== undefined)) return 'intset';
    const isPacked = members.length <= packedMembersMost && members.every(({ length }) => length <= packedBytesMost);
    return isPacked ? 'listpack' : 'hashtable';
  },
  copy(execution, source, target, expiresAtMs) {
    copyCollection(execution, source, target, 'set', expiresAtMs);
  },
  dump(execution, key, writer) {
    const members = collectionAt(execution, key, 'set').elements();
    writer.u8(rdbType.set);
    writer.length(members.length);
    for (const member of members) writer.string(member);
  },
  loaders: new Map([
    [rdbType.set, readMembers],
    [rdbType.setIntset, (reader) => restore(readIntset(Buffer.from(reader.string())))],
    [rdbType.setListpack, (reader) => restore(readListpack(Buffer.from(reader.string())))],
  ]),
};
