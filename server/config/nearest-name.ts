/**
 * The right name nearest to a wrong one, for "did you mean". Nearness is the optimal string alignment distance (Damerau 1964): insertions,
 * deletions, substitutions and transpositions of neighbours count one each.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) distance = Math.min(distance, (beforeLast[j - 2] ?? 0) + 1);
      row.push(distance);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The first of the nearest `names`. A wrong name longer than 64 characters is compared by its beginning, to bound the work. */
export function nearestName(wrong: string, names: readonly string[]): string | undefined {
  const start = wrong.toLowerCase().slice(0, 64);
  let nearest: string | undefined;
  let least = Infinity;
  for (const name of names) {
    const distance = editDistance(start, name);
    if (distance < least) [nearest, least] = [name, distance];
  }
  return nearest;
}
