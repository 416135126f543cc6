/**
 * What is hashed away from the event loop: records to digests, and digests to leaves. Pure functions over flat bytes, so that they run in a worker
 * on buffers that are transferred, and in the simulation on the spot. Big-endian:
 *
 *   records   (leaf u8 | key length u32 | record length u32 | record key | record)*
 *   digests   (leaf u8 | SHA-256 of all of that but the leaf)*            in the order of the records
 *   leaves    (leaf u8 | SHA-256 of its records' digests, sorted)*        ascending, those that have records only
 *
 * The order of arrival is gone once digests are sorted, and no clock is asked: a value that has expired counts until it is deleted.
 */
import { digestBytes, leafCount, sha256 } from './merkle-tree.js';

/** digest: records to digests. fold: digests to leaves. leaves: both at once. */
export type HashingTask = 'digest' | 'fold' | 'leaves';

/** The seam of the pool. */
export interface Hasher {
  /** `input` is given away: nobody may use it afterwards. Rejects only when the pool has failed, which it has told the node. */
  run(task: HashingTask, input: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** A leaf's number and a digest. */
export const rowBytes = 1 + digestBytes;
/** Before a packed record's key. */
export const packedHeadBytes = 9;

/** The input of `fold`, in memory of its own. */
export function joinRows(rows: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(rows.reduce((bytes, { length }) => bytes + length, 0));
  let at = 0;
  for (const part of rows) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function runHashing(task: HashingTask, input: Uint8Array): Uint8Array<ArrayBuffer> {
  if (task === 'digest') return digestRecords(input);
  return foldLeaves(task === 'fold' ? input : digestRecords(input));
}

function digestRecords(records: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const ends: number[] = [];
  for (let at = 0; at < records.length;) {
    at += packedHeadBytes + view.getUint32(at + 1) + view.getUint32(at + 5);
    if (at > records.length) throw new RangeError(`a record to hash ends at ${at} of ${records.length} bytes`);
    ends.push(at);
  }
  const rows = new Uint8Array(ends.length * rowBytes);
  let from = 0;
  ends.forEach((end, i) => {
    rows[i * rowBytes] = records[from] ?? 0;
    rows.set(sha256(records.subarray(from + 1, end)), i * rowBytes + 1);
    from = end;
  });
  return rows;
}

function foldLeaves(rows: Uint8Array): Uint8Array<ArrayBuffer> {
  const byLeaf: Buffer[][] = Array.from({ length: leafCount }, () => []);
  for (let at = 0; at < rows.length; at += rowBytes) {
    byLeaf[rows[at] ?? 0]?.push(Buffer.from(rows.buffer, rows.byteOffset + at + 1, digestBytes));
  }
  const filled = byLeaf.flatMap((digests, leaf) => (digests.length === 0 ? [] : [{ leaf, digests }]));
  const leaves = new Uint8Array(filled.length * rowBytes);
  filled.forEach(({ leaf, digests }, i) => {
    leaves[i * rowBytes] = leaf;
    leaves.set(sha256(Buffer.concat(digests.sort((x, y) => Buffer.compare(x, y)))), i * rowBytes + 1);
  });
  return leaves;
}
