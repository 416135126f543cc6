/**
 * Chance for simulations: everything random in a run comes from one seed, so a run that goes wrong can be run again. A generator's
 * stream depends on its seed and its path of labels only, never on what others drew: a draw added in one place shifts no other.
 * The generator is Chris Doty-Humphrey's sfc32, seeded by SHA-256.
 */
import { createHash } from 'node:crypto';
import type { Random } from '../../storage/clock.js';

export class SeededRandom implements Random {
  readonly #path: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    this.#path = String(seed);
    const digest = createHash('sha256').update(this.#path).digest();
    this.#a = digest.readInt32LE(0);
    this.#b = digest.readInt32LE(4);
    this.#c = digest.readInt32LE(8);
  }

  /** A generator of its own for one purpose. The same label gives the same stream again, so labels are unique among siblings. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.#path}/${label}`);
  }

  integer(below: number): number {
    if (!Number.isInteger(below) || below < 1 || below > 2 ** 32) throw new RangeError(`integer(${below}) is out of 1..2^32`);
    return Math.floor(this.fraction() * below);
  }

  /** 0 <= fraction < 1, in steps of 2^-32. */
  fraction(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return (result >>> 0) / 2 ** 32;
  }

  /** from <= between < to, or `from` where they are equal. */
  between(from: number, to: number): number {
    return from + this.fraction() * (to - from);
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.fraction() < p;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('nothing to pick from');
    return list[this.integer(list.length)] as T;
  }

  /** Random bytes, owned by the caller. */
  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at++) bytes[at] = this.integer(256);
    return bytes;
  }
}
