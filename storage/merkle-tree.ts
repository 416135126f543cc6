/**
 * The Merkle tree of one partition's records (Merkle, "A Digital Signature Based on a Conventional Encryption Function", 1987; Dynamo, section 4.7):
 *
 *   root <- 16 branches <- 256 leaves <- records, spread over the leaves by a hash of their key (a huge collection's elements too)
 *
 * A leaf's digest is made elsewhere (merkle-hashing.ts); branches and root are made here of those below them. Equal sets of records give equal
 * roots, whatever the order in which they came. A write costs its leaf's mark: whoever asks for the root next hashes the marked leaves first, so
 * one write rehashes one path.
 */
import { hash } from 'node:crypto';

export const leafCount = 256;
export const branchCount = 16;
const leavesPerBranch = leafCount / branchCount;
/** Of SHA-256. */
export const digestBytes = 32;
const branchBytes = leavesPerBranch * digestBytes;

const noElement: Buffer = Buffer.alloc(0);

/** FNV-1a over the key (`length` bytes from `from`) and the element of a collection's record, then mixed, since its low bits alone are poor for short keys. */
export function leafOf(key: Buffer, from = 0, length = key.length, element: Buffer = noElement): number {
  let state = 0x811c9dc5;
  for (let i = from, end = from + length; i < end; i++) state = Math.imul(state ^ (key[i] as number), 0x01000193);
  for (let i = 0; i < element.length; i++) state = Math.imul(state ^ (element[i] as number), 0x01000193);
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
  return (state ^ (state >>> 16)) & (leafCount - 1);
}

/** What a partition tells of its writes. */
export interface LeafMarks {
  /** A record was changed of the key that stands in `bytes` from `from`, `length` bytes long, or of an element of its collection. */
  touch(bytes: Buffer, from: number, length: number, element?: Buffer): void;
  /** Many records have changed. */
  touchAll(): void;
}

export class MerkleTree implements LeafMarks {
  /** A leaf without records is all zeros. */
  private readonly leaves = Buffer.alloc(leafCount * digestBytes);
  private readonly inner = Buffer.alloc(branchCount * digestBytes);
  private top: Buffer = Buffer.alloc(digestBytes);
  /** 1 = changed since it was last taken to be hashed. */
  private readonly dirty = new Uint8Array(leafCount).fill(1);
  /** 1 = its leaves are not those it was made of. */
  private readonly stale = new Uint8Array(branchCount).fill(1);
  private topIsStale = true;

  touch(bytes: Buffer, from: number, length: number, element?: Buffer): void {
    this.dirty[leafOf(bytes, from, length, element)] = 1;
  }

  touchLeaf(leaf: number): void {
    this.dirty[leaf] = 1;
  }

  touchAll(): void {
    this.dirty.fill(1);
  }

  /** The leaves to hash, ascending; what is written from now on marks them anew. */
  takeDirty(): number[] {
    const taken: number[] = [];
    for (let leaf = 0; leaf < leafCount; leaf++) if (this.dirty[leaf] === 1) taken.push(leaf);
    this.dirty.fill(0);
    return taken;
  }

  /** `digest` is copied; undefined = no records. */
  setLeaf(leaf: number, digest: Uint8Array | undefined): void {
    if (digest === undefined) this.leaves.fill(0, leaf * digestBytes, (leaf + 1) * digestBytes);
    else this.leaves.set(digest, leaf * digestBytes);
    this.stale[Math.floor(leaf / leavesPerBranch)] = 1;
    this.topIsStale = true;
  }

  /** Borrowed; of the leaves as they were last set. */
  root(): Buffer {
    const { inner, leaves, stale } = this;
    if (!this.topIsStale) return this.top;
    for (let branch = 0; branch < branchCount; branch++) {
      if (stale[branch] === 0) continue;
      stale[branch] = 0;
      inner.set(sha256(leaves.subarray(branch * branchBytes, (branch + 1) * branchBytes)), branch * digestBytes);
    }
    this.top = sha256(inner);
    this.topIsStale = false;
    return this.top;
  }

  /** All branches' digests, borrowed. */
  branches(): Buffer {
    this.root();
    return this.inner;
  }

  /** The leaves' digests of one branch, borrowed. */
  leavesOf(branch: number): Buffer {
    return this.leaves.subarray(branch * branchBytes, (branch + 1) * branchBytes);
  }
}

/** Indexes at which two rows of digests differ; one that is too short differs where it ends. */
export function differences(mine: Buffer, theirs: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at < mine.length; at += digestBytes) {
    if (!mine.subarray(at, at + digestBytes).equals(theirs.subarray(at, at + digestBytes))) found.push(at / digestBytes);
  }
  return found;
}

/** Leaf numbers of one branch's indexes. */
export function leafNumbers(branch: number, indexes: readonly number[]): number[] {
  return indexes.map((index) => branch * leavesPerBranch + index);
}

export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}
