/** Scores and the bounds of ranges as clients write them: what C's strtod takes, with the exceptions that Redis makes (util.c string2d, t_zset.c zslParseRange). */

const whitespace = /^[ \t\n\v\f\r]+/;
const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const infinity = /^([+-]?)inf(?:inity)?$/i;
const hexadecimal = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?\d+))?$/i;

/** A double as a whole; undefined when it is none, or NaN. */
function doubleOf(text: string): number | undefined {
  if (decimal.test(text)) return Number(text);
  const infinite = infinity.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? -Infinity : Infinity;
  const hex = hexadecimal.exec(text);
  if (hex === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = hex;
  if (whole === '' && fraction === '') return undefined;
  const mantissa = Number(BigInt(`0x${whole}${fraction}`));
  const power = Math.max(-5000, Math.min(5000, Number(exponent) - 4 * fraction.length));
  const half = Math.trunc(power / 2);
  const value = mantissa * 2 ** half * 2 ** (power - half);
  return sign === '-' ? -value : value;
}

/** The digits before the exponent are all zero. */
function isWrittenZero(text: string): boolean {
  const [, , whole = '', fraction = ''] = hexadecimal.exec(text) ?? [];
  const digits = hexadecimal.test(text) ? whole + fraction : text.replace(/e.*$/i, '');
  return !/[1-9a-f]/i.test(digits);
}

/** Undefined when it is not a double as a whole, overflows, or is not zero and rounds to it. */
export function parseScore(bytes: Buffer): number | undefined {
  const text = bytes.toString('latin1');
  const value = doubleOf(text);
  if (value === undefined || (value === 0 && !isWrittenZero(text))) return undefined;
  return Number.isFinite(value) || infinity.test(text) ? value : undefined;
}

/** One end of a range. */
export interface Bound<Value> {
  readonly value: Value;
  readonly exclusive: boolean;
}

const openParenthesis = 0x28;
const openBracket = 0x5b;
const minus = 0x2d;
const plus = 0x2b;

/** As C reads it: up to the first NUL, after white space; nothing at all is 0. */
export function parseScoreBound(bytes: Buffer): Bound<number> | undefined {
  const exclusive = bytes[0] === openParenthesis;
  const nul = bytes.indexOf(0);
  const text = bytes.toString('latin1', exclusive ? 1 : 0, nul < 0 ? bytes.length : nul);
  if (text === '') return { value: 0, exclusive };
  const value = doubleOf(text.replace(whitespace, ''));
  return value === undefined ? undefined : { value, exclusive };
}

export type LexBound = Bound<Buffer> | 'first' | 'last';

/** `-` and `+` are before and after all. */
export function parseLexBound(bytes: Buffer): LexBound | undefined {
  const [first, second = 0] = bytes;
  if (first === plus || first === minus) {
    if (second !== 0) return undefined;
    return first === plus ? 'last' : 'first';
  }
  if (first !== openParenthesis && first !== openBracket) return undefined;
  return { value: bytes.subarray(1), exclusive: first === openParenthesis };
}
