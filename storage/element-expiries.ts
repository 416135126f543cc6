/**
 * When elements of one collection expire: those in memory that do, the soonest first. A binary heap in which each entry knows its place, so that a new expiry, or
 * none, costs O(log n), and those that have expired are at the top: counting and finding them costs as much as there are of them.
 */

/** What an entry takes here, about. */
const bytesEach = 64;
const noPlace = -1;

export class ElementExpiries {
  private readonly entries: number[] = [];
  /** Unix ms, by the same places. */
  private readonly instants: number[] = [];
  private readonly places = new Map<number, number>();

  get size(): number {
    return this.entries.length;
  }

  /** What it takes in memory. */
  get byteSize(): number {
    return bytesEach * this.entries.length;
  }

  /** Unix ms; 0 when nothing expires. */
  get soonestMs(): number {
    return this.instants[0] ?? 0;
  }

  /** `expiresAtMs` 0 = it does not expire, or is no element any more. */
  set(entry: number, expiresAtMs: number): void {
    const place = this.places.get(entry) ?? noPlace;
    if (expiresAtMs === 0) {
      if (place !== noPlace) this.take(place);
    } else if (place === noPlace) {
      this.entries.push(entry);
      this.instants.push(expiresAtMs);
      this.rise(this.entries.length - 1);
    } else {
      this.instants[place] = expiresAtMs;
      this.sink(place);
      this.rise(this.places.get(entry) as number);
    }
  }

  /** How many have expired. */
  countDue(nowMs: number): number {
    let count = 0;
    this.forEachDue(nowMs, () => ++count > 0);
    return count;
  }

  /** Up to `most` of those that have expired, in no order. */
  due(nowMs: number, most: number): number[] {
    const due: number[] = [];
    this.forEachDue(nowMs, (entry) => due.push(entry) < most);
    return due.slice(0, most);
  }

  /** Until `visit` answers false. */
  private forEachDue(nowMs: number, visit: (entry: number) => boolean): void {
    const open = [0];
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      if ((this.instants[place] ?? Infinity) > nowMs) continue;
      if (!visit(this.entries[place] as number)) return;
      open.push(2 * place + 1, 2 * place + 2);
    }
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
