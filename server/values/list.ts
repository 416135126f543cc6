/** Lists among the types. */
import { FormatError } from '../../protocol/format-error.js';
import { listpackBytes, readListpack } from '../../protocol/rdb/listpack.js';
import type { RdbReader } from '../../protocol/rdb/reader.js';
import { rdbType } from '../../protocol/rdb/types.js';
import type { Execution, ListView } from '../../storage/execution.js';
import type { Restore, ValueType } from './value-type.js';

/** Up to here Redis packs a list (list-max-listpack-size -2). */
const packedBytesMost = 8192;
/** No more elements than these fit that. */
const packedElementsMost = packedBytesMost / 2;
/** What a node of a quicklist holds: one long element as it is, or a listpack. */
const container = { plain: 1, packed: 2 } as const;

function listAt(execution: Execution, key: Buffer): ListView {
  const list = execution.list(key);
  if (list === undefined) throw new Error('the key of a living list has none');
  return list;
}

function restore(values: readonly Buffer[]): Restore {
  if (values.length === 0) throw new FormatError('INVALID', 'a list of nothing');
  return (execution, key, expiresAtMs) => {
    execution.delete(key);
    execution.insertIntoList(key, 0, values, 'left');
    if (expiresAtMs !== 0) execution.setExpiry(key, expiresAtMs);
  };
}

function readElements(reader: RdbReader): Restore {
  const values: Buffer[] = [];
  for (let left = reader.length(); left > 0; left--) values.push(Buffer.from(reader.string()));
  return restore(values);
}

function readNodes(reader: RdbReader): Restore {
  const values: Buffer[] = [];
  for (let left = reader.length(); left > 0; left--) {
    const kind = reader.length();
    const bytes = Buffer.from(reader.string());
    if (kind === container.plain) values.push(bytes);
    else if (kind === container.packed) for (const value of readListpack(bytes)) values.push(value);
    else throw new FormatError('UNKNOWN', `a node of kind ${kind} in a list`);
  }
  return restore(values);
}

export const listType: ValueType = {
  encoding(execution, key) {
    const list = listAt(execution, key);
    if (list.size > packedElementsMost) return 'quicklist';
    return listpackBytes(list.slice(0, list.size)) <= packedBytesMost ? 'listpack' : 'quicklist';
  },
  copy(execution, source, target, expiresAtMs) {
    const list = listAt(execution, source);
    restore(list.slice(0, list.size))(execution, target, expiresAtMs);
  },
  dump(execution, key, writer) {
    const list = listAt(execution, key);
    const values = list.slice(0, list.size);
    writer.u8(rdbType.list);
    writer.length(values.length);
    for (const value of values) writer.string(value);
  },
  loaders: new Map([
    [rdbType.list, readElements],
    [rdbType.listQuicklist2, readNodes],
  ]),
};
