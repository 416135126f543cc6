/** Entries by an instant of each, the soonest first. A binary heap in which each entry knows its place, so that each may get another instant, or go, in O(log n). */

const noPlace = -1;
/** Where more than one in so many leave together, the rest is put in order anew. */
const fewOf = 16;

export class InstantHeap {
  private entries: number[] = [];
  /** Unix ms, by the same places. */
  private instants: number[] = [];
  private readonly places = new Map<number, number>();

  get size(): number {
    return this.entries.length;
  }

  /** Unix ms; Infinity where there is none. */
  get soonestMs(): number {
    return this.instants[0] ?? Infinity;
  }

  set(entry: number, instantMs: number): void {
    const place = this.places.get(entry) ?? noPlace;
    if (place === noPlace) {
      this.entries.push(entry);
      this.instants.push(instantMs);
      this.rise(this.entries.length - 1);
    } else {
      this.instants[place] = instantMs;
      this.sink(place);
      this.rise(this.places.get(entry) as number);
    }
  }

  /** It may not be there. */
  remove(entry: number): void {
    const place = this.places.get(entry) ?? noPlace;
    if (place !== noPlace) this.take(place);
  }

  /** Up to `most` of the entries, in no order. */
  some(most: number): number[] {
    return this.entries.slice(0, most);
  }

  /** Moves those up to this instant to another. Costs O(log n) for each of them, and where they are many less. */
  moveUpTo(instantMs: number, other: InstantHeap): void {
    if (this.soonestMs > instantMs) return;
    const moved = this.countUpTo(instantMs, Math.ceil(this.size / fewOf));
    if (moved < this.size / fewOf) {
      while (this.soonestMs <= instantMs) {
        other.set(this.entries[0] as number, this.soonestMs);
        this.take(0);
      }
      return;
    }
    const { entries, instants } = this;
    this.entries = [];
    this.instants = [];
    this.places.clear();
    for (const [i, entry] of entries.entries()) {
      const instant = instants[i] as number;
      (instant <= instantMs ? other : this).set(entry, instant);
    }
  }

  /** How many are up to this instant; of more than `most` these. */
  private countUpTo(instantMs: number, most: number): number {
    let count = 0;
    const open = [0];
    for (let place = open.pop(); place !== undefined && count < most; place = open.pop()) {
      if ((this.instants[place] ?? Infinity) > instantMs) continue;
      count++;
      open.push(2 * place + 1, 2 * place + 2);
    }
    return count;
  }

  private take(place: number): void {
    this.places.delete(this.entries[place] as number);
    const entry = this.entries.pop() as number;
    const instant = this.instants.pop() as number;
    if (place === this.entries.length) return;
    this.put(place, entry, instant);
    this.sink(place);
    this.rise(this.places.get(entry) as number);
  }

  private put(place: number, entry: number, instant: number): void {
    this.entries[place] = entry;
    this.instants[place] = instant;
    this.places.set(entry, place);
  }

  private rise(from: number): void {
    const entry = this.entries[from] as number;
    const instant = this.instants[from] as number;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      if ((this.instants[parent] as number) <= instant) break;
      this.put(place, this.entries[parent] as number, this.instants[parent] as number);
      place = parent;
    }
    this.put(place, entry, instant);
  }

  private sink(from: number): void {
    const entry = this.entries[from] as number;
    const instant = this.instants[from] as number;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.entries.length) break;
      if ((this.instants[child + 1] ?? Infinity) < (this.instants[child] as number)) child++;
      if ((this.instants[child] as number) >= instant) break;
      this.put(place, this.entries[child] as number, this.instants[child] as number);
      place = child;
    }
    this.put(place, entry, instant);
  }
}
