/**
 * requirepass: the password of the one user there is yet, `default`. Compared by digests of one length, in a time that does not tell how much
 * of a guess was right.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

const digestOf = (text: Buffer | string): Buffer => createHash('sha256').update(text).digest();

export class Password {
  /** `required` is asked each time: CONFIG SET changes it. Empty = none. */
  constructor(private readonly required: () => string) {}

  get isRequired(): boolean {
    return this.required() !== '';
  }

  /** Whether this is the right one; any is while none is required. */
  accepts(given: Buffer): boolean {
    return !this.isRequired || timingSafeEqual(digestOf(given), digestOf(this.required()));
  }
}
