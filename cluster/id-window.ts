/**
 * What is waited for under consecutive ids: put in at one end, taken out anywhere, nearly always in order. An array with a moving base, not a
 * Map: a Map with such a churn is rebuilt all the time, and each table it leaves behind keeps its entries alive through the collector's next rounds.
 */
import type { Random } from '../storage/clock.js';

/** Taken places at the front that are kept before the array is cut. */
const slackMax = 1024;

/** A random place to count from, with room for 2^52 more. */
export function firstId(random: Random): number {
  return 1 + random.integer(2 ** 32) * 2 ** 16;
}

export class IdWindow<T> {
  private items: (T | undefined)[] = [];
  /** Index of the oldest place that may still be taken. */
  private head = 0;
  private waiting = 0;

  constructor(
    /** Of the item at index 0. */
    private base: number,
  ) {}

  /** Items that were not taken. */
  get size(): number {
    return this.waiting;
  }

  /** Returns the item's id: the one after the last. */
  put(item: T): number {
    this.waiting++;
    return this.base + this.items.push(item) - 1;
  }

  /** The item, which stays; undefined when there is none, or it was taken. */
  get(id: number): T | undefined {
    return this.items[id - this.base];
  }

  /** Undefined when there is none, or it was taken before. */
  take(id: number): T | undefined {
    const item = this.items[id - this.base];
    if (item === undefined) return undefined;
    this.items[id - this.base] = undefined;
    this.waiting--;
    this.trim();
    return item;
  }

  /** Takes the oldest items for as long as `due` holds; those of which `passedOver` holds may stay without ending it. */
  takeEvery(due: (item: T) => boolean, passedOver: (item: T) => boolean = () => false): T[] {
    const taken: T[] = [];
    for (let i = this.head; i < this.items.length; i++) {
      const item = this.items[i];
      if (item === undefined) continue;
      if (due(item)) {
        this.items[i] = undefined;
        this.waiting--;
        taken.push(item);
      } else if (!passedOver(item)) break;
    }
    this.trim();
    return taken;
  }

  takeAll(): T[] {
    return this.takeEvery(() => true);
  }

  private trim(): void {
    while (this.head < this.items.length && this.items[this.head] === undefined) this.head++;
    if (this.head < slackMax && this.head < this.items.length) return;
    this.base += this.head;
    this.items = this.head === this.items.length ? [] : this.items.slice(this.head);
    this.head = 0;
  }
}
