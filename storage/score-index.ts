/**
 * A sorted set's members in order: by score, equal ones by their bytes. A search tree balanced by size (Nievergelt and Reingold, "Binary Search Trees of Bounded
 * Balance", 1973; the two constants are Hirai and Yamamoto's, 2011), so that the sizes that keep it balanced answer for ranks, too. A node is an entry of
 * the key table (order-nodes.ts), its member stays where it is there.
 *
 *   weight = size + 1;  neither child's weight is more than `heaviest` times the other's, so the depth is at most 2.5 times log2 of the size
 *
 * Made when a command first needs it, which is when the collection is whole: small ones at once, large ones in slices, between which elements come, change
 * and die. What is there at first is taken from the end of the collection's row to its beginning: an element that a death moves to a lower
 * place is met again, and none is missed.
 */
import type { Collection, ElementIndex } from './collection.js';
import { noEntry, type KeyTable } from './key-table.js';
import { nodeBytes } from './order-nodes.js';
import { decodeScore } from './score-value.js';

const heaviest = 3;
const single = 2;

export class ScoreIndex implements ElementIndex {
  private readonly order: number;
  private root = noEntry;
  /** Places of the row below it are to be taken in. */
  private left: number;

  constructor(
    private readonly table: KeyTable,
    private readonly collection: Collection,
  ) {
    this.order = table.nodes.newOrder();
    this.left = collection.living;
  }

  get size(): number {
    return this.table.nodes.size(this.root);
  }

  get byteSize(): number {
    return this.size * nodeBytes;
  }

  /** All living elements are in it. */
  get isFilled(): boolean {
    return this.left === 0;
  }

  /** Takes in up to `budget` elements of those that were there at first. */
  fill(budget: number): void {
    const { collection } = this;
    this.left = Math.min(this.left, collection.living);
    for (let i = 0; i < budget && this.left > 0; i++) {
      const entry = collection.at(--this.left);
      if (!this.table.nodes.isIn(entry, this.order)) this.add(entry);
    }
  }

  changed(entry: number, isLiving: boolean): void {
    const { nodes } = this.table;
    if (nodes.isIn(entry, this.order)) {
      if (isLiving && nodes.score(entry) === this.scoreOf(entry)) return;
      this.root = this.without(this.root, entry);
      nodes.clear(entry);
      this.collection.account(-nodeBytes);
    }
    if (isLiving) this.add(entry);
  }

  dispose(): void {
    this.collection.account(-this.byteSize);
    this.root = noEntry;
  }

  /** Elements before it; the entry is in the order. */
  rankOf(entry: number): number {
    const { nodes } = this.table;
    let rank = 0;
    let at = this.root;
    while (at !== entry) {
      if (this.isBefore(entry, at)) at = nodes.left(at);
      else {
        rank += nodes.size(nodes.left(at)) + 1;
        at = nodes.right(at);
      }
    }
    return rank + nodes.size(nodes.left(at));
  }

  /** It is in the order. */
  holds(entry: number): boolean {
    return this.table.nodes.isIn(entry, this.order);
  }

  /** The score by which an entry stands in the order. */
  scoreIn(entry: number): number {
    return this.table.nodes.score(entry);
  }

  /** The entry of a rank; noEntry where there is none. */
  at(rank: number): number {
    let found = noEntry;
    this.forEach(rank, rank + 1, (entry) => (found = entry));
    return found;
  }

  /** How many are at the beginning of which this holds: of all up to one, and of none after it. */
  countWhile(holds: (entry: number, score: number) => boolean): number {
    const { nodes } = this.table;
    let count = 0;
    let at = this.root;
    while (at !== noEntry) {
      if (holds(at, nodes.score(at))) {
        count += nodes.size(nodes.left(at)) + 1;
        at = nodes.right(at);
      } else at = nodes.left(at);
    }
    return count;
  }

  /** Calls `take` for those of rank `from` to before `to`, in order. */
  forEach(from: number, to: number, take: (entry: number, score: number) => void): void {
    this.visit(this.root, from, to, take);
  }

  private visit(at: number, from: number, to: number, take: (entry: number, score: number) => void): void {
    if (at === noEntry || from >= to) return;
    const { nodes } = this.table;
    const before = nodes.size(nodes.left(at));
    if (from < before) this.visit(nodes.left(at), from, Math.min(to, before), take);
    if (from <= before && before < to) take(at, nodes.score(at));
    if (to > before + 1) this.visit(nodes.right(at), Math.max(0, from - before - 1), to - before - 1, take);
  }

  private scoreOf(entry: number): number {
    const { table } = this;
    return decodeScore(table.valuePageOf(entry), table.valueAt(entry), table.valueLengthOf(entry));
  }

  private add(entry: number): void {
    this.table.nodes.set(entry, this.order, this.scoreOf(entry));
    this.root = this.withNode(this.root, entry);
    this.collection.account(nodeBytes);
  }

  private isBefore(entry: number, other: number): boolean {
    const { nodes } = this.table;
    const a = nodes.score(entry);
    const b = nodes.score(other);
    return a === b ? this.table.compareKeys(entry, other) < 0 : a < b;
  }

  /** The subtree at `at` with one node more. */
  private withNode(at: number, entry: number): number {
    if (at === noEntry) return entry;
    const { nodes } = this.table;
    if (this.isBefore(entry, at)) nodes.setLeft(at, this.withNode(nodes.left(at), entry));
    else nodes.setRight(at, this.withNode(nodes.right(at), entry));
    return this.balanced(at);
  }

  /** The subtree without one of its nodes, whose score is still what it was put there by. */
  private without(at: number, entry: number): number {
    const { nodes } = this.table;
    const left = nodes.left(at);
    const right = nodes.right(at);
    if (at !== entry) {
      if (this.isBefore(entry, at)) nodes.setLeft(at, this.without(left, entry));
      else nodes.setRight(at, this.without(right, entry));
      return this.balanced(at);
    }
    if (left === noEntry) return right;
    if (right === noEntry) return left;
    let next = right;
    while (nodes.left(next) !== noEntry) next = nodes.left(next);
    const rest = this.withoutFirst(right);
    nodes.setLeft(next, left);
    nodes.setRight(next, rest);
    return this.balanced(next);
  }

  private withoutFirst(at: number): number {
    const { nodes } = this.table;
    const left = nodes.left(at);
    if (left === noEntry) return nodes.right(at);
    nodes.setLeft(at, this.withoutFirst(left));
    return this.balanced(at);
  }

  /** The same nodes in balance, after one has come to or gone from a child. */
  private balanced(at: number): number {
    const { nodes } = this.table;
    const left = nodes.left(at);
    const right = nodes.right(at);
    const weightOfLeft = nodes.size(left) + 1;
    const weightOfRight = nodes.size(right) + 1;
    if (weightOfRight > heaviest * weightOfLeft) {
      const inner = nodes.size(nodes.left(right)) + 1;
      const outer = nodes.size(nodes.right(right)) + 1;
      if (inner >= single * outer) nodes.setRight(at, this.turnedRight(right));
      return this.turnedLeft(at);
    }
    if (weightOfLeft > heaviest * weightOfRight) {
      const inner = nodes.size(nodes.right(left)) + 1;
      const outer = nodes.size(nodes.left(left)) + 1;
      if (inner >= single * outer) nodes.setLeft(at, this.turnedLeft(left));
      return this.turnedRight(at);
    }
    nodes.recount(at);
    return at;
  }

  private turnedLeft(at: number): number {
    const { nodes } = this.table;
    const top = nodes.right(at);
    nodes.setRight(at, nodes.left(top));
    nodes.setLeft(top, at);
    nodes.recount(at);
    nodes.recount(top);
    return top;
  }

  private turnedRight(at: number): number {
    const { nodes } = this.table;
    const top = nodes.left(at);
    nodes.setLeft(at, nodes.right(top));
    nodes.setRight(top, at);
    nodes.recount(at);
    nodes.recount(top);
    return top;
  }
}
