/**
 * Memory for small runs of bytes outside the garbage collector's sight: pages of 1 MiB, each cut into cells of one size. A key and its value
 * lie in one cell, so that a look-up touches one place; a Buffer of each would cost three, and the collector would have to visit them.
 *
 * A cell is named by its address, a small integer: page * 2^16 + offset in units of 16 bytes. Free cells of a page are linked through their first
 * four bytes; a page without a used cell is given back. Slab allocation: Bonwick, "The Slab Allocator", 1994.
 */

const unitBytes = 16;
const pageUnits = 65_536;
const noCell = -1;

/** The largest run that fits a cell. */
export const cellBytesMax = 4096;

/** Units of each size class: at most a fifth of a cell is lost, beyond the smallest. */
const classUnits = [2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 19, 22, 26, 31, 37, 44, 52, 62, 74, 88, 105, 126, 151, 181, 217, 256];

/** By units needed: index into classUnits. */
const classByUnits = Uint8Array.from({ length: cellBytesMax / unitBytes + 1 }, (_, units) => classUnits.findIndex((size) => size >= units));

interface Page {
  readonly number: number;
  readonly bytes: Buffer;
  /** The same memory, for the links of free cells. */
  readonly words: Int32Array;
  readonly sizeClass: number;
  /** First free cell's offset in units, or noCell. */
  free: number;
  /** Units from here on were never used. */
  fresh: number;
  used: number;
  /** It stands among its class's pages with free cells. */
  listed: boolean;
}

export class CellArena {
  private readonly pages: (Page | undefined)[] = [];
  /** The bytes of each page, for readers. */
  readonly pageBytes: Buffer[] = [];
  /** The same, for those who copy much: four bytes at a time (protocol/resp/bulk-array.ts). */
  readonly pageViews: DataView[] = [];
  private readonly current: (Page | undefined)[] = [];
  private readonly withFree: Page[][] = classUnits.map(() => []);
  private readonly freeNumbers: number[] = [];

  /** Bytes of the cell at `address`. */
  bytesAt(address: number): number {
    return (classUnits[(this.pages[address >>> 16] as Page).sizeClass] as number) * unitBytes;
  }

  /** Whether `bytes` would get a cell of the size that the one at `address` has. */
  fits(address: number, bytes: number): boolean {
    return this.pages[address >>> 16]?.sizeClass === classFor(bytes);
  }

  /** A cell of at least `bytes`, at most cellBytesMax. Its content is whatever was there. */
  allocate(bytes: number): number {
    const sizeClass = classFor(bytes);
    const page = this.current[sizeClass];
    if (page === undefined || (page.free === noCell && page.fresh + (classUnits[sizeClass] as number) > pageUnits)) {
      return this.take(this.nextPage(sizeClass));
    }
    return this.take(page);
  }

  release(address: number): void {
    const page = this.pages[address >>> 16];
    if (page === undefined) throw new Error(`cell ${address} is not in use`);
    const offset = address & 0xffff;
    page.words[offset * 4] = page.free;
    page.free = offset;
    page.used--;
    if (page === this.current[page.sizeClass]) return;
    if (page.used === 0) this.drop(page);
    else if (!page.listed) {
      page.listed = true;
      this.withFree[page.sizeClass]?.push(page);
    }
  }

  /** Index into the cell's page (`pageBytes[address >>> 16]`). */
  static byteOffset(address: number): number {
    return (address & 0xffff) * unitBytes;
  }

  /** Bytes of all pages. */
  get heldBytes(): number {
    return (this.pages.length - this.freeNumbers.length) * pageUnits * unitBytes;
  }

  private take(page: Page): number {
    page.used++;
    let offset = page.free;
    if (offset === noCell) {
      offset = page.fresh;
      page.fresh += classUnits[page.sizeClass] as number;
    } else page.free = page.words[offset * 4] as number;
    return page.number * pageUnits + offset;
  }

  private nextPage(sizeClass: number): Page {
    const left = this.current[sizeClass];
    let page = this.withFree[sizeClass]?.pop();
    if (page === undefined) {
      const number = this.freeNumbers.pop() ?? this.pages.length;
      const bytes = Buffer.allocUnsafeSlow(pageUnits * unitBytes);
      const words = new Int32Array(bytes.buffer);
      page = { number, bytes, words, sizeClass, free: noCell, fresh: 0, used: 0, listed: false };
      this.pages[number] = page;
      this.pageBytes[number] = bytes;
      this.pageViews[number] = new DataView(bytes.buffer);
    }
    page.listed = false;
    this.current[sizeClass] = page;
    if (left?.used === 0) this.drop(left);
    return page;
  }

  private drop(page: Page): void {
    const { withFree, pages } = this;
    if (page.listed) withFree[page.sizeClass] = (withFree[page.sizeClass] ?? []).filter((other) => other !== page);
    pages[page.number] = undefined;
    this.pageBytes[page.number] = noBytes;
    this.pageViews[page.number] = noView;
    this.freeNumbers.push(page.number);
  }
}

const noBytes = Buffer.alloc(0);
const noView = new DataView(new ArrayBuffer(0));

function classFor(bytes: number): number {
  return classByUnits[(bytes + unitBytes - 1) >>> 4] as number;
}
