/**
 * Arguments as bytes: options and integers are read where they lie, so that parsing a command builds no strings. Integers are
 * as strict as Redis' string2ll: one spelling for each number, no sign but a minus, no space, no leading zero, within 64 bits.
 */

const longestSafeDigits = 15;
export const int64Max = 2n ** 63n - 1n;
export const int64Min = -(2n ** 63n);

/** Whether `argument` is `token` in any case. `token` is upper case ASCII. */
export function isToken(argument: Buffer, token: string): boolean {
  if (argument.length !== token.length) return false;
  for (let i = 0; i < token.length; i++) {
    const byte = argument[i] as number;
    const upper = byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
    if (upper !== token.charCodeAt(i)) return false;
  }
  return true;
}

/** A number when it has at most 15 digits, else a bigint within a signed 64-bit integer; undefined for anything else. */
export function parseInteger(argument: Buffer): number | bigint | undefined {
  const negative = argument[0] === 0x2d;
  const start = negative ? 1 : 0;
  const digits = argument.length - start;
  if (digits < 1 || digits > 19) return undefined;
  if (argument[start] === 0x30) return digits === 1 && !negative ? 0 : undefined;
  let value = 0;
  for (let i = start; i < argument.length; i++) {
    const digit = (argument[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (digits <= longestSafeDigits) return negative ? -value : value;
  const exact = BigInt(argument.toString('latin1'));
  return exact > int64Max || exact < int64Min ? undefined : exact;
}

/** The integer as a number when it lies in `least..most` (both at most 2^53), else undefined. */
export function parseIntegerWithin(argument: Buffer, least: number, most: number): number | undefined {
  const value = parseInteger(argument);
  return value !== undefined && value >= least && value <= most ? Number(value) : undefined;
}

/** An unsigned 64-bit number as C's strtoul reads one, as Redis does cursors: nothing is 0, and a minus wraps around. Undefined when it is none. */
export function parseUnsigned(argument: Buffer): bigint | undefined {
  const parts = /^(?:([+-]?)(\d{1,40}))?$/.exec(argument.toString('latin1'));
  if (parts === null) return undefined;
  const [, sign, digits = '0'] = parts;
  const magnitude = BigInt(digits);
  return magnitude >= 1n << 64n ? undefined : BigInt.asUintN(64, sign === '-' ? -magnitude : magnitude);
}
