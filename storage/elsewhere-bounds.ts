/**
 * Of a collection whose elements are used from both ends of their order, and of which memory has a part: between which bounds the living ones stand that memory lacks. What lives before them or behind them
 * is in memory, so what died there, rows on disk for a while, is not read again and again.
 */
import { justAfter } from './loaded-ranges.js';

const beginning: Buffer = Buffer.alloc(0);
/** Behind the positions of all lists (list-position.ts). */
const end: Buffer = Buffer.of(0xff);

const isBefore = (x: Buffer, y: Buffer): boolean => Buffer.compare(x, y) < 0;

export class ElsewhereBounds {
  /** Inclusive; not before `to` where memory lacks nothing. */
  from = end;
  /** Exclusive. */
  to = beginning;

  /** Memory lacks nothing that lives. */
  none(): void {
    this.from = end;
    this.to = beginning;
  }

  /** It may lack anything. */
  all(): void {
    this.from = beginning;
    this.to = end;
  }

  /** A living element leaves memory; `element` is kept. */
  left(element: Buffer): void {
    if (isBefore(element, this.from)) this.from = element;
    if (!isBefore(element, this.to)) this.to = justAfter(element);
  }

  /** All that lives from `from` to before `to` came into memory; both are kept. */
  read(from: Buffer, to: Buffer): void {
    const [beginsBefore, endsBehind] = [!isBefore(this.from, from), !isBefore(to, this.to)];
    if (beginsBefore && isBefore(this.from, to)) this.from = to;
    if (endsBehind && isBefore(from, this.to)) this.to = from;
    if (!isBefore(this.from, this.to)) this.none();
  }
}
