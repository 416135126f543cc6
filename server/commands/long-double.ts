/**
 * C's `long double` as x86-64 has it, for INCRBYFLOAT and HINCRBYFLOAT, whose replies show its 64-bit mantissa: 10.5 + 0.1 is "10.6", where doubles
 * would say 10.59999999999999964. A finite value is an integer mantissa below 2^64, times a power of two from 2^-16445 on; arithmetic is
 * exact in bigints and rounded once, half to even. Texts are those of strtold and of `%.17Lf` without trailing zeros (util.c, string2ld, ld2string).
 */

/** mantissa * 2^exponent, the sign with the mantissa; or an infinity. */
export type LongDouble = Finite | 'infinity' | '-infinity';

interface Finite {
  readonly mantissa: bigint;
  readonly exponent: number;
}

const mantissaBits = 64;
const exponentLeast = -16_445;
/** (2^64 - 1) * 2^16320 is the largest finite value. */
const exponentMost = 16_320;
/** Beyond 10^4933 everything overflows, below 10^-4951 it is nothing. */
const decimalExponentBound = 6000;
const textBytesMax = 5 * 1024;
const fractionDigits = 17;

/** Undefined when it is not one as a whole, is NaN, overflows, or is not zero and rounds to it. */
export function parseLongDouble(bytes: Buffer): LongDouble | undefined {
  if (bytes.length === 0 || bytes.length >= textBytesMax) return undefined;
  const text = bytes.toString('latin1');
  const infinity = /^([+-]?)inf(inity)?$/i.exec(text);
  if (infinity !== null) return infinity[1] === '-' ? '-infinity' : 'infinity';
  const hexadecimal = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?\d+))?$/i.exec(text);
  if (hexadecimal !== null) return fromDigits(hexadecimal, 16);
  const decimal = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i.exec(text);
  return decimal === null ? undefined : fromDigits(decimal, 10);
}

/** Of sign, whole digits, fraction digits and exponent. */
function fromDigits(
  [, sign = '', whole = '', fraction = '', exponentText = '0']: readonly string[],
  base: 10 | 16,
): LongDouble | undefined {
  const digits = (whole + fraction).replace(/^0+/, '');
  if (whole === '' && fraction === '') return undefined;
  if (digits === '') return { mantissa: 0n, exponent: 0 };
  const value = BigInt(base === 16 ? `0x${digits}` : digits) * (sign === '-' ? -1n : 1n);
  const given = Number(exponentText);
  let rounded: Finite | undefined;
  if (base === 16) {
    const exponent = given - 4 * fraction.length;
    if (Math.abs(exponent) > 10 * decimalExponentBound) return undefined;
    rounded = round(value, 1n, exponent);
  } else {
    const exponent = given - fraction.length;
    if (Math.abs(exponent + digits.length) > decimalExponentBound) return undefined;
    rounded = exponent >= 0 ? round(value * 10n ** BigInt(exponent), 1n, 0) : round(value, 10n ** BigInt(-exponent), 0);
  }
  return rounded?.mantissa === 0n ? undefined : rounded;
}

/** Undefined when the sum is not finite. */
export function addLongDoubles(a: LongDouble, b: LongDouble): Finite | undefined {
  if (typeof a === 'string' || typeof b === 'string') return undefined;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  return round(sum, 1n, exponent);
}

export function longDoubleText({ mantissa, exponent }: Finite): string {
  const magnitude = mantissa < 0n ? -mantissa : mantissa;
  const scaled = magnitude * 10n ** BigInt(fractionDigits);
  const fixed = exponent >= 0 ? scaled << BigInt(exponent) : divideHalfToEven(scaled, 1n << BigInt(-exponent));
  const digits = String(fixed).padStart(fractionDigits + 1, '0');
  const text = `${digits.slice(0, -fractionDigits)}.${digits.slice(-fractionDigits)}`.replace(/\.?0+$/, '');
  return mantissa < 0n && text !== '0' ? `-${text}` : text;
}

/** numerator / denominator * 2^exponent as the nearest value; undefined when it overflows. `denominator` is positive. */
function round(numerator: bigint, denominator: bigint, exponent: number): Finite | undefined {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 };
  const negative = numerator < 0n;
  const magnitude = negative ? -numerator : numerator;
  // The quotient has 64 or 65 bits after this shift; one too many is seen below.
  let shift = mantissaBits - (bitLength(magnitude) - bitLength(denominator));
  shift = Math.min(shift, exponent - exponentLeast);
  let mantissa = quotient(magnitude, denominator, shift);
  if (bitLength(mantissa) > mantissaBits) mantissa = quotient(magnitude, denominator, --shift);
  if (exponent - shift > exponentMost) return undefined;
  return { mantissa: negative ? -mantissa : mantissa, exponent: exponent - shift };
}

const quotient = (numerator: bigint, denominator: bigint, shift: number): bigint =>
  shift >= 0 ? divideHalfToEven(numerator << BigInt(shift), denominator) : divideHalfToEven(numerator, denominator << BigInt(-shift));

function divideHalfToEven(numerator: bigint, denominator: bigint): bigint {
  const whole = numerator / denominator;
  const twice = (numerator - whole * denominator) * 2n;
  return twice > denominator || (twice === denominator && (whole & 1n) === 1n) ? whole + 1n : whole;
}

function bitLength(value: bigint): number {
  const text = value.toString(16);
  return (text.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(text[0] as string, 16)));
}
