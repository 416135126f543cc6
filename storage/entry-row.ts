/**
 * A row of entry numbers, of any length, that can be copied in no time: a copy shares its chunks, and whichever side writes to one copies that chunk first. In one piece a row
 * of a million would take ten milliseconds to copy, or to grow, where the system has yet to find the memory.
 *
 * A chunk counts as shared until one side has written to it, whatever has become of the other. They are small, since writes at random places meet most of them: 500 after
 * a copy of a million copy two megabytes.
 */
const chunkLog = 10;
const chunkEntries = 1 << chunkLog;
const inChunk = chunkEntries - 1;
/** The first chunk grows from this to `chunkEntries`; others have that at once. */
const smallestChunk = 4;

export class EntryRow {
  private first: Int32Array = new Int32Array(smallestChunk);
  /** The chunks behind it. Most rows have none, and there are many of those. */
  private more: Int32Array[] | undefined = undefined;
  /** By chunk: a copy has it, too. */
  private shared: boolean[] | undefined = undefined;
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
    return (this.first.length + (this.more === undefined ? 0 : this.more.length * chunkEntries)) * 4;
  }

  at(index: number): number {
    return this.chunk(index >>> chunkLog)[index & inChunk] as number;
  }

  set(index: number, entry: number): void {
    const chunk = index >>> chunkLog;
    if (this.shared?.[chunk] === true) this.replace(chunk, this.chunk(chunk).slice());
    this.chunk(chunk)[index & inChunk] = entry;
  }

  push(entry: number): void {
    const index = this.count++;
    const chunk = index >>> chunkLog;
    if (chunk === 0 && index === this.first.length) {
      const larger = new Int32Array(2 * index);
      larger.set(this.first);
      this.replace(0, larger);
    } else if (chunk > (this.more?.length ?? 0)) this.replace(chunk, new Int32Array(chunkEntries));
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
    const chunks = ((length - 1) >>> chunkLog) + 1;
    copy.first = this.first;
    copy.more = this.more?.slice(0, chunks - 1);
    copy.shared = Array.from({ length: chunks }, () => true);
    this.shared ??= [];
    for (let chunk = 0; chunk < chunks; chunk++) this.shared[chunk] = true;
    return copy;
  }

  /** Its entries, a chunk each, borrowed until it is written to. */
  pieces(): Int32Array[] {
    const chunks = (this.count + inChunk) >>> chunkLog;
    return Array.from({ length: chunks }, (_, chunk) => this.chunk(chunk).subarray(0, this.count - chunk * chunkEntries));
  }

  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (let index = 0; index < this.count; index++) yield this.at(index);
  }

  private chunk(chunk: number): Int32Array {
    return chunk === 0 ? this.first : ((this.more as Int32Array[])[chunk - 1] as Int32Array);
  }

  private replace(chunk: number, by: Int32Array): void {
    if (chunk === 0) this.first = by;
    else (this.more ??= [])[chunk - 1] = by;
    if (this.shared !== undefined) this.shared[chunk] = false;
  }
}
