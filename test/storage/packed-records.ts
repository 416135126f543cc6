/** Records given by their bytes, packed to be hashed. */
import { RecordPack } from '../../storage/record-pack.js';

export interface HashedRecord {
  readonly leaf: number;
  readonly key: Buffer;
  readonly record: Buffer;
}

export function packRecords(records: readonly HashedRecord[]): Uint8Array<ArrayBuffer> {
  const pack = new RecordPack();
  for (const { leaf, key, record } of records) pack.addEncoded(leaf, key, record);
  return pack.take();
}
