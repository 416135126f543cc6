/**
 * When a key is to expire, as SET and the EXPIRE family say it. Redis checks in this order: an integer at all; the conversion to
 * milliseconds; for a span, that now plus the span is still an instant. A command reads now once, so an Expiry is made when parsing and asked
 * for its instant when running.
 */
import type { ErrorReply } from '../../protocol/resp/reply.js';
import { int64Max, int64Min, parseInteger } from './arguments.js';
import { invalidExpire, notAnInteger } from './errors.js';

export type ExpiryUnit = 'seconds' | 'milliseconds' | 'unix-seconds' | 'unix-milliseconds';

/** The options by which SET and GETEX say when. */
export const expiryOptions: readonly (readonly [token: string, unit: ExpiryUnit])[] = [
  ['EX', 'seconds'],
  ['PX', 'milliseconds'],
  ['EXAT', 'unix-seconds'],
  ['PXAT', 'unix-milliseconds'],
];

const msPerSecond = 1000;
const longestExactNumber = 1e15;

export class Expiry {
  private constructor(
    /** A span or an instant; exact, or past every instant that can be stored. */
    private readonly ms: number,
    private readonly isSpan: boolean,
    /** The client's error for one that is not allowed. */
    readonly invalid: ErrorReply,
  ) {}

  /** `command` is named by the error. */
  static parse(amount: Buffer, unit: ExpiryUnit, command: string): Expiry | ErrorReply {
    const value = parseInteger(amount);
    if (value === undefined) return notAnInteger;
    const invalid = invalidExpire(command);
    const isSeconds = unit === 'seconds' || unit === 'unix-seconds';
    if (isSeconds && (value > longestExactNumber || value < -longestExactNumber)) {
      const ms = BigInt(value) * BigInt(msPerSecond);
      if (ms > int64Max || ms < int64Min) return invalid;
    }
    const ms = Number(value) * (isSeconds ? msPerSecond : 1);
    return new Expiry(ms, unit === 'seconds' || unit === 'milliseconds', invalid);
  }

  /** SET refuses what is not; EXPIRE deletes the key. */
  get isPositive(): boolean {
    return this.ms > 0;
  }

  /** Unix ms, which may lie in the past, or the client's error. */
  at(nowMs: number): number | ErrorReply {
    const instant = this.isSpan ? nowMs + this.ms : this.ms;
    return instant > Number.MAX_SAFE_INTEGER ? this.invalid : instant;
  }
}
