/** What a disk may do to records of a node that does not run. */
import { join } from 'node:path';
import { slotOf } from '../../protocol/slot.js';
import { RocksdbEngine } from '../../storage/rocksdb-engine.js';
import { stringRow } from '../../storage/rows.js';

/** RocksDB's key of a string's record. */
export function rowOf(key: string): Buffer {
  const name = Buffer.from(key);
  return stringRow(slotOf(name), name);
}

/** `directory`: of the node. Throws when one of the strings is not there. */
export async function loseRows(directory: string, keys: readonly string[]): Promise<void> {
  const engine = await RocksdbEngine.open(join(directory, 'rocksdb'));
  const rows = keys.map(rowOf);
  if ((await engine.getMany(rows)).includes(undefined)) throw new Error('not all of them are on disk');
  await engine.write({ puts: [], deletes: rows }, { sync: true });
  await engine.close();
}
