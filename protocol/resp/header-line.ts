/**
 * One header line of a request, `*3\r\n` or `$64\r\n`, read in any cut: the state between two pieces is a few numbers.
 *
 * The count is what Redis' string2ll takes: no leading zeros, no plus, a minus only before a digit from 1 on. As in Redis, the byte after CR
 * is skipped unseen.
 */

const minus = 0x2d;
const zero = 0x30;
const carriageReturn = 0x0d;

/** Counts of more digits are beyond any limit; so many are exact in a double. (Redis ignores a request of -10^15 elements; this refuses it.) */
const digitsMax = 15;

export class HeaderLine {
  /** Bytes so far, without CR and the byte after it; 0 before the first. */
  length = 0;
  /** The first byte, once `length` is not 0. */
  first = 0;
  /** Whether the byte after CR has come. */
  ended = false;
  private sawReturn = false;
  private negative = false;
  private malformed = false;
  private digits = 0;
  private magnitude = 0;

  reset(): void {
    this.length = 0;
    this.ended = false;
    this.sawReturn = false;
    this.negative = false;
    this.malformed = false;
    this.digits = 0;
    this.magnitude = 0;
  }

  /** Takes the line's bytes from `chunk` at `at`; returns where it stopped: behind the line, or at the chunk's end. */
  read(chunk: Buffer, at: number): number {
    const end = chunk.length;
    while (at < end) {
      const byte = chunk[at++] as number;
      if (this.sawReturn) {
        this.ended = true;
        return at;
      }
      if (byte === carriageReturn && this.length > 0) {
        this.sawReturn = true;
        continue;
      }
      const digit = byte - zero;
      if (this.length === 0) {
        this.first = byte;
        // A line that is nothing but CR ends here, too.
        this.sawReturn = byte === carriageReturn;
      } else if (digit >= 0 && digit <= 9) {
        if (this.digits === 1 && this.magnitude === 0) this.malformed = true;
        if (digit === 0 && this.digits === 0 && this.negative) this.malformed = true;
        this.digits++;
        this.magnitude = this.magnitude * 10 + digit;
      } else if (byte === minus && this.length === 1) {
        this.negative = true;
      } else {
        this.malformed = true;
      }
      this.length++;
    }
    return at;
  }

  /** The count of a line that has ended, or NaN when it is none. */
  count(): number {
    if (this.malformed || this.digits === 0 || this.digits > digitsMax) return NaN;
    return this.negative ? -this.magnitude : this.magnitude;
  }
}
