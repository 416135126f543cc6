/** Doubles with so many digits after the point, as C's `%.*f` writes them: of the exact value, an exact half to the even digit. */

const largestFixed = 1e21;

/** `digits` 1..99. */
export function fixedDecimal(value: number, digits: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (Math.abs(value) >= largestFixed) return `${BigInt(value)}.${'0'.repeat(digits)}`;
  const text = value.toFixed(digits);
  // JavaScript rounds halves away from zero. One ends in 2^-(digits + 1), so it has exactly one digit more.
  const halves = value * 2 ** (digits + 1);
  if (!Number.isInteger(halves) || halves % 2 === 0) return text;
  const cut = value.toFixed(digits + 1).slice(0, -1);
  return Number(cut.at(-1)) % 2 === 0 ? cut : text;
}

const humanDigits = 17;

/** As Redis shows a number to people (util.c, ld2string): 17 digits after the point, without zeros at the end. */
export function humanDecimal(value: number): string {
  const text = fixedDecimal(value, humanDigits).replace(/\.?0+$/, '');
  return text === '-0' ? '0' : text;
}
