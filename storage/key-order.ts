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

export interface ScanSlice {
  /** latin1 keys with a hash of at least the position asked for, and below `next`. */
  readonly keys: readonly string[];
  /** The position to go on with; undefined when the slot is over. */
  readonly next: number | undefined;
}

/** FNV-1a and a final mix, which spreads it over the high bits that the tree branches by. 0..2^32-1. */
export function scanHash(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The next of `keys`, all of a slot, from `position` on: at least `limit`, if there are as many, and few more. */
export function sliceOf(keys: readonly string[], position: number, limit: number): ScanSlice {
  if (position === 0 && keys.length <= limit) return { keys, next: undefined };
  const hashed = keys.map((key) => ({ key, hash: scanHash(key) })).filter(({ hash }) => hash >= position);
  if (hashed.length <= limit) return { keys: hashed.map(({ key }) => key), next: undefined };
  hashed.sort((a, b) => a.hash - b.hash);
  const last = hashed[limit - 1]?.hash ?? position;
  let end = limit;
  while (hashed[end]?.hash === last) end++; // those with one hash are never parted
  return { keys: hashed.slice(0, end).map(({ key }) => key), next: end < hashed.length ? last + 1 : undefined };
}

interface Node {
  /** Of a leaf; empty once it has branched. */
  keys: string[];
  children: (Node | undefined)[] | undefined;
}

export interface OrderedKey {
  readonly key: string;
  readonly slot: number;
}

export class KeyOrder {
  private readonly slots = new Map<number, Node>();
  private filled = false;

  /** `rest` is what the partition holds; it may change while it is gone through. */
  constructor(private readonly rest: Iterator<OrderedKey>) {}

  /** Takes in up to `budget` keys of what there was at first; true once all are in. */
  fill(budget: number): boolean {
    for (let i = 0; i < budget && !this.filled; i++) {
      const next = this.rest.next();
      if (next.done === true) this.filled = true;
      else this.insert(next.value, true);
    }
    return this.filled;
  }

  /** A key that the partition did not have. */
  add(entry: OrderedKey): void {
    this.insert(entry, !this.filled);
  }

  remove({ key, slot }: OrderedKey): void {
    const { leaf } = this.leafOf(this.root(slot), scanHash(key));
    const at = leaf.keys.indexOf(key);
    if (at >= 0) leaf.keys.splice(at, 1);
  }

  /** Some `limit` keys of the slot, whole leaves. */
  slice(slot: number, position: number, limit: number): ScanSlice {
    const root = this.slots.get(slot);
    if (root === undefined) return { keys: [], next: undefined };
    const keys: string[] = [];
    const next = collect(root, 0, 0, position, limit, keys);
    return { keys, next: next < positionEnd ? next : undefined };
  }

  private root(slot: number): Node {
    let root = this.slots.get(slot);
    if (root === undefined) this.slots.set(slot, (root = { keys: [], children: undefined }));
    return root;
  }

  private leafOf(root: Node, hash: number): { leaf: Node; depth: number } {
    let leaf = root;
    let depth = 0;
    while (leaf.children !== undefined) leaf = leaf.children[branchAt(hash, depth++)] ??= { keys: [], children: undefined };
    return { leaf, depth };
  }

  private insert({ key, slot }: OrderedKey, mayBeThere: boolean): void {
    const { leaf, depth } = this.leafOf(this.root(slot), scanHash(key));
    if (mayBeThere && leaf.keys.includes(key)) return;
    leaf.keys.push(key);
    if (leaf.keys.length > leafKeysMax && depth * bitsPerLevel < hashBits) branch(leaf, depth);
  }
}

const branchAt = (hash: number, depth: number): number => (hash >>> (hashBits - bitsPerLevel * (depth + 1))) & (branches - 1);

function branch(leaf: Node, depth: number): void {
  const children: (Node | undefined)[] = Array.from({ length: branches });
  for (const key of leaf.keys) (children[branchAt(scanHash(key), depth)] ??= { keys: [], children: undefined }).keys.push(key);
  leaf.keys = [];
  leaf.children = children;
}

/** Gathers what lies from `position` on below `node`, whose hashes begin at `from`; returns where to go on. */
function collect(node: Node, depth: number, from: number, position: number, limit: number, keys: string[]): number {
  const width = twoTo32 / branches ** depth;
  if (node.children === undefined) {
    for (const key of node.keys) if (from >= position || scanHash(key) >= position) keys.push(key);
    return from + width;
  }
  const step = width / branches;
  const first = Math.max(0, Math.floor((position - from) / step));
  for (let i = first; i < branches; i++) {
    const child = node.children[i];
    if (child === undefined) continue;
    const next = collect(child, depth + 1, from + i * step, position, limit, keys);
    if (keys.length >= limit) return next;
  }
  return from + width;
}
