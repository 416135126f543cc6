/** Collections as they are at one instant, to be gone through and looked into over many turns of the event loop: those of this partition (table-elements.ts), and those brought from another (packed-elements.ts). */

/** An element is known by a number that it keeps. */
export interface ElementSource {
  /** Of a run of a command: the same object where the elements are of the same collection. */
  readonly identity: object;
  /** How many there are. */
  readonly size: number;
  /** `find` needs something of about this many steps first. */
  readonly stepsToPrepare: number;
  /** From now on until it is closed elements stay as they are now. More than once is as good as once. */
  open(): void;
  close(): void;
  /** Goes up to so many steps on with what `find` needs; true once it is ready. */
  prepare(budget: number): boolean;
  at(index: number): number;
  /** The element whose bytes are `length` of `bytes` from `from`; noElement = there is none. */
  find(bytes: Buffer, from: number, length: number): number;
  /** Where an element's bytes are, until the event loop turns. */
  bytesOf(element: number): Buffer;
  fromOf(element: number): number;
  lengthOf(element: number): number;
  /** A set's elements have the score 1. */
  scoreOf(element: number): number;
  /** Both are the same collection, which has not changed from one to the other. */
  isSame(other: ElementSource): boolean;
}

export const noElement = -1;
