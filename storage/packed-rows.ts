/**
 * Rows on their way to the engine, in pages of bytes in place of a Buffer for each key and value: those of a round of writing behind live long enough for garbage
 * collection to copy every one of them, twice.
 *
 *   page   (length u32 | bytes)*
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import type { Items } from './engine.js';

/** A page ends with the item that makes it longer. */
const pageBytes = 64 * 1024;
/** Most pages are that long, and end before they would be copied to grow. */
const pageCapacity = pageBytes + 16 * 1024;
/** Pages of a list that has been emptied, for what it is filled with next: memory that comes and goes makes garbage collection come more often. */
const pagesKept = 64;

/** Byte strings, in order. What an iteration gives is borrowed from the list. */
export class PackedBytes implements Items<Buffer> {
  /** Items. */
  length = 0;
  private page = new ByteWriter(pageCapacity);
  private readonly full: ByteWriter[] = [];
  private readonly empty: ByteWriter[] = [];
  private beganAt = 0;
  private fullBytes = 0;

  /** Of all pages. */
  get bytes(): number {
    return this.fullBytes + this.page.length;
  }

  /** Where the next item's bytes are to be appended, before `end`. */
  begin(): ByteWriter {
    this.beganAt = this.page.length;
    this.page.u32(0);
    return this.page;
  }

  end(): void {
    const { page, beganAt } = this;
    page.patchU32(beganAt, page.length - beganAt - 4);
    this.length++;
    if (page.length < pageBytes) return;
    this.fullBytes += page.length;
    this.full.push(page);
    this.page = this.empty.pop() ?? new ByteWriter(pageCapacity);
  }

  /** A copy of `bytes`. */
  push(bytes: Buffer): void {
    this.begin().bytes(bytes);
    this.end();
  }

  clear(): void {
    for (const page of this.full) {
      if (page.length > pageCapacity || this.empty.length === pagesKept) continue; // it has grown, or there are enough
      page.reset();
      this.empty.push(page);
    }
    this.full.length = 0;
    this.length = this.fullBytes = 0;
    this.page.reset();
  }

  *[Symbol.iterator](): Generator<Buffer, void, undefined> {
    for (const page of this.full) yield* itemsOf(page.view());
    yield* itemsOf(this.page.view());
  }
}

function* itemsOf(page: Buffer): Generator<Buffer, void, undefined> {
  for (let at = 0; at < page.length;) {
    const from = at + 4;
    at = from + page.readUInt32BE(at);
    yield page.subarray(from, at);
  }
}

/** Keys and values. What an iteration gives is borrowed from the list. */
export class PackedRows implements Items<readonly [key: Buffer, value: Buffer]> {
  private readonly items = new PackedBytes();
  /** Rows that are no part of a page: one that grows for a long value is copied each time. */
  private apart: (readonly [key: Buffer, value: Buffer])[] = [];
  private apartBytes = 0;

  /** Rows. */
  get length(): number {
    return this.items.length / 2 + this.apart.length;
  }

  get bytes(): number {
    return this.items.bytes + this.apartBytes;
  }

  /** Where the next row's key, and after `end` its value, is to be appended, before one more `end`. */
  begin(): ByteWriter {
    return this.items.begin();
  }

  end(): void {
    this.items.end();
  }

  clear(): void {
    this.items.clear();
    this.apart = [];
    this.apartBytes = 0;
  }

  /** A row with a long value; both are given away. */
  give(key: Buffer, value: Buffer): void {
    this.apart.push([key, value]);
    this.apartBytes += key.length + value.length;
  }

  /** Copies of both. */
  push(key: Buffer, value: Buffer): void {
    this.items.push(key);
    this.items.push(value);
  }

  *[Symbol.iterator](): Generator<readonly [key: Buffer, value: Buffer], void, undefined> {
    let key: Buffer | undefined;
    for (const item of this.items) {
      if (key === undefined) key = item;
      else {
        yield [key, item];
        key = undefined;
      }
    }
    yield* this.apart;
  }
}
