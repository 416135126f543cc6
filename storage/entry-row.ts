/**
 * A row of entry numbers, of any length, that can be copied in no time: a copy shares its chunks, and whichever side writes to one copies that chunk first. In one piece a row
 * of a million would take ten milliseconds to copy, or to grow, where the system has yet to find the memory.
 */
const chunkLog = 13;
const chunkEntries = 1 << chunkLog;
const inChunk = chunkEntries - 1;
/** The first chunk grows from this to `chunkEntries`; others have that at once. */
const smallestChunk = 4;

export class EntryRow {
  private chunks: Int32Array[] = [new Int32Array(smallestChunk)];
  /** Chunks that a copy has, too. */
  private shared: boolean[] = [false];
  private count = 0;

  static of(entries: Iterable<number>): EntryRow {
    const row = new EntryRow();
    for (const entry of entries) row.push(entry);
    return row;
  }

  get length(): number {
    return this.count;
  }

  /** What it takes in memory, about; of a copy it is less. */
  get byteLength(): number {
    return ((this.chunks[0] as Int32Array).length + (this.chunks.length - 1) * chunkEntries) * 4;
  }

  at(index: number): number {
    return (this.chunks[index >>> chunkLog] as Int32Array)[index & inChunk] as number;
  }

  set(index: number, entry: number): void {
    const chunk = index >>> chunkLog;
    if (this.shared[chunk] === true) {
      this.chunks[chunk] = (this.chunks[chunk] as Int32Array).slice();
      this.shared[chunk] = false;
    }
    (this.chunks[chunk] as Int32Array)[index & inChunk] = entry;
  }

  push(entry: number): void {
    const index = this.count++;
    if (index >>> chunkLog === this.chunks.length) {
      this.chunks.push(new Int32Array(chunkEntries));
      this.shared.push(false);
    } else if (index < chunkEntries && index === this.chunks[0]?.length) {
      const larger = new Int32Array(2 * index);
      larger.set(this.chunks[0]);
      this.chunks[0] = larger;
      this.shared[0] = false;
    }
    this.set(index, entry);
  }

  /** Drops the last one. */
  pop(): void {
    this.count--;
  }

  /** The first `length` of it. */
  copy(length = this.count): EntryRow {
    const copy = new EntryRow();
    copy.count = length;
    if (length === 0) return copy;
    const used = ((length - 1) >>> chunkLog) + 1;
    copy.chunks = this.chunks.slice(0, used);
    copy.shared = copy.chunks.map(() => true);
    for (let chunk = 0; chunk < used; chunk++) this.shared[chunk] = true;
    return copy;
  }

  /** Its entries, a chunk each, borrowed until it is written to. */
  pieces(): Int32Array[] {
    return this.chunks.slice(0, (this.count + inChunk) >>> chunkLog).map((chunk, at) => chunk.subarray(0, this.count - at * chunkEntries));
  }

  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (let index = 0; index < this.count; index++) yield this.at(index);
  }
}
