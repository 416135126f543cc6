/**
 * The order in which SCAN goes through the keys of a slot: by a hash of the key that is the same on every node and for ever, since it is
 * part of cursors that clients hold. A position is the least hash that has not been returned yet.
 *
 * A small partition is looked through each time. One that is not so small keeps a KeyOrder: for each slot a tree that branches by four bits of the
 * hash, so that a slot of a million keys is gone through in small steps, and a new key never moves many others:
 *
 *     slot -> [ 0_: leaf | 1_: leaf | ... | f_: [ f0: leaf | f1: leaf | ... ] ]        a leaf holds up to 64 keys
 *
 * Invariant: once filled it holds exactly the keys of its partition's entries. A key that is there throughout keeps its place, so an iteration meets it.
 */
const leafKeysMax = 64;
const bitsPerLevel = 4;
const branches = 1 << bitsPerLevel;
const hashBits = 32;
const twoTo32 = 0x1_0000_0000;

/** Positions lie below this. */
export const positionEnd = twoTo32;

export interface ScanSlice<Key> {
  /** Those with a hash of at least the position asked for, and below `next`. */
  readonly keys: readonly Key[];
  /** The position to go on with; undefined when the slot is over. */
  readonly next: number | undefined;
}

/** FNV-1a of `length` bytes and a final mix, which spreads it over the high bits that the tree branches by. 0..2^32-1. */
export function scanHash(bytes: Buffer, from = 0, length = bytes.length): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < from + length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The next of `keys`, all of a slot, from `position` on: at least `limit`, if there are as many, and few more. */
export function sliceOf<Key>(keys: readonly Key[], hashOf: (key: Key) => number, position: number, limit: number): ScanSlice<Key> {
  if (position === 0 && keys.length <= limit) return { keys, next: undefined };
  const hashed = keys.map((key) => ({ key, hash: hashOf(key) })).filter(({ hash }) => hash >= position);
  if (hashed.length <= limit) return { keys: hashed.map(({ key }) => key), next: undefined };
  hashed.sort((a, b) => a.hash - b.hash);
  const last = hashed[limit - 1]?.hash ?? position;
  let end = limit;
  while (hashed[end]?.hash === last) end++; // those with one hash are never parted
  return { keys: hashed.slice(0, end).map(({ key }) => key), next: end < hashed.length ? last + 1 : undefined };
}

interface Node {
  /** Entries of a leaf; empty once it has branched. */
  entries: number[];
  children: (Node | undefined)[] | undefined;
}

/** The key table, as far as the order goes by it: entries by number. */
export interface OrderedEntries {
  slotOf(entry: number): number;
  /** `scanHash` of the entry's key. */
  scanHashOf(entry: number): number;
}

export class KeyOrder {
  private readonly slots = new Map<number, Node>();
  private filled = false;

  /** `rest` gives the entries there are; while it is gone through none may go, and those that come are told by `add`. */
  constructor(
    private readonly table: OrderedEntries,
    private readonly rest: Iterator<number>,
  ) {}

  get isFilled(): boolean {
    return this.filled;
  }

  /** Takes in up to `budget` entries of what there was at first; true once all are in. */
  fill(budget: number): boolean {
    for (let i = 0; i < budget && !this.filled; i++) {
      const next = this.rest.next();
      if (next.done === true) this.filled = true;
      else this.insert(next.value, true);
    }
    return this.filled;
  }

  /** An entry that the partition did not have. */
  add(entry: number): void {
    this.insert(entry, !this.filled);
  }

  /** An entry that is about to go. */
  remove(entry: number): void {
    const { leaf } = this.leafOf(this.root(this.table.slotOf(entry)), this.table.scanHashOf(entry));
    const at = leaf.entries.indexOf(entry);
    if (at >= 0) leaf.entries.splice(at, 1);
  }

  /** Some `limit` entries of the slot, whole leaves. */
  slice(slot: number, position: number, limit: number): ScanSlice<number> {
    const root = this.slots.get(slot);
    if (root === undefined) return { keys: [], next: undefined };
    const keys: number[] = [];
    const next = this.collect(root, 0, 0, position, limit, keys);
    return { keys, next: next < positionEnd ? next : undefined };
  }

  private root(slot: number): Node {
    let root = this.slots.get(slot);
    if (root === undefined) this.slots.set(slot, (root = { entries: [], children: undefined }));
    return root;
  }

  private leafOf(root: Node, hash: number): { leaf: Node; depth: number } {
    let leaf = root;
    let depth = 0;
    while (leaf.children !== undefined) leaf = leaf.children[branchAt(hash, depth++)] ??= { entries: [], children: undefined };
    return { leaf, depth };
  }

  private insert(entry: number, mayBeThere: boolean): void {
    const { leaf, depth } = this.leafOf(this.root(this.table.slotOf(entry)), this.table.scanHashOf(entry));
    if (mayBeThere && leaf.entries.includes(entry)) return;
    leaf.entries.push(entry);
    if (leaf.entries.length > leafKeysMax && depth * bitsPerLevel < hashBits) this.branch(leaf, depth);
  }

  private branch(leaf: Node, depth: number): void {
    const children: (Node | undefined)[] = Array.from({ length: branches });
    for (const entry of leaf.entries)
      (children[branchAt(this.table.scanHashOf(entry), depth)] ??= { entries: [], children: undefined }).entries.push(entry);
    leaf.entries = [];
    leaf.children = children;
  }

  /** Gathers what lies from `position` on below `node`, whose hashes begin at `from`; returns where to go on. */
  private collect(node: Node, depth: number, from: number, position: number, limit: number, keys: number[]): number {
    const width = twoTo32 / branches ** depth;
    if (node.children === undefined) {
      for (const entry of node.entries) if (from >= position || this.table.scanHashOf(entry) >= position) keys.push(entry);
      return from + width;
    }
    const step = width / branches;
    const first = Math.max(0, Math.floor((position - from) / step));
    for (let i = first; i < branches; i++) {
      const child = node.children[i];
      if (child === undefined) continue;
      const next = this.collect(child, depth + 1, from + i * step, position, limit, keys);
      if (keys.length >= limit) return next;
    }
    return from + width;
  }
}

const branchAt = (hash: number, depth: number): number => (hash >>> (hashBits - bitsPerLevel * (depth + 1))) & (branches - 1);
