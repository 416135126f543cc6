/**
 * Sums of doubles that are rounded once, so that they hang neither on the order of what is added nor on how it was grouped: Shewchuk, "Adaptive Precision
 * Floating-Point Arithmetic", 1997, as Python's math.fsum does it. The partial sums do not overlap, so nothing is lost until the end.
 */

/** a + b as two doubles, exactly, unless it overflows: the nearest one, and what that leaves (Knuth's TwoSum). */
export function twoSum(a: number, b: number): readonly [sum: number, remainder: number] {
  const sum = a + b;
  const shareOfB = sum - a;
  return [sum, a - (sum - shareOfB) + (b - shareOfB)];
}

/** The double nearest to the exact sum, ties to even. Terms are finite; nothing but negative zeros is -0. Where a partial sum overflows: what adding one after the other gives. */
export function exactSum(terms: readonly number[]): number {
  const partials: number[] = []; // by size ascending
  for (const term of terms) {
    let rest = term;
    let kept = 0;
    for (const partial of partials) {
      const [sum, remainder] = twoSum(rest, partial);
      if (!Number.isFinite(sum)) return terms.reduce((total, each) => total + each, -0);
      if (remainder !== 0) partials[kept++] = remainder;
      rest = sum;
    }
    partials.length = kept;
    if (rest !== 0) partials.push(rest);
  }
  if (partials.length === 0) return terms.every((term) => Object.is(term, -0)) ? -0 : 0;
  return rounded(partials);
}

function rounded(partials: readonly number[]): number {
  let at = partials.length - 1;
  let total = partials[at] as number;
  let remainder = 0;
  while (at > 0 && remainder === 0) {
    const next = partials[--at] as number;
    [total, remainder] = twoSum(total, next);
  }
  // A remainder of half a unit was rounded to even, though what is below it may say otherwise.
  const below = at > 0 ? (partials[at - 1] as number) : 0;
  if ((remainder < 0 && below < 0) || (remainder > 0 && below > 0)) {
    const twice = 2 * remainder;
    const away = total + twice;
    if (twice === away - total) return away;
  }
  return total;
}
