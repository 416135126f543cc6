/**
 * Redis' glob patterns over bytes (util.c, stringmatchlen): `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, and `\` before a byte that stands for
 * itself. Only the last `*` is ever gone back to, so a match takes at most pattern times text steps whatever the pattern.
 */

const star = 0x2a;
const anyByte = 0x3f;
const openingBracket = 0x5b;
const closingBracket = 0x5d;
const backslash = 0x5c;
const caret = 0x5e;
const dash = 0x2d;

/** Whether all of `text` matches all of `pattern`. With `ignoreCase`, ASCII letters match in either case. */
export function matchesGlob(pattern: Buffer, text: Buffer, ignoreCase = false): boolean {
  let p = 0;
  let t = 0;
  let afterStar = -1;
  let starText = 0;
  while (t < text.length) {
    if (pattern[p] === star) {
      afterStar = ++p;
      starText = t;
      continue;
    }
    const next = p < pattern.length ? matchOne(pattern, p, text[t] as number, ignoreCase) : -1;
    if (next >= 0) {
      p = next;
      t++;
    } else if (afterStar >= 0) {
      p = afterStar;
      t = ++starText;
    } else {
      return false;
    }
  }
  while (pattern[p] === star) p++;
  return p >= pattern.length;
}

/** Where the pattern goes on when its element at `p` (not a star) matches `byte`, else -1. */
function matchOne(pattern: Buffer, p: number, byte: number, ignoreCase: boolean): number {
  const fold = ignoreCase ? lower : same;
  const element = pattern[p] as number;
  if (element === anyByte) return p + 1;
  if (element === openingBracket) return matchClass(pattern, p + 1, fold(byte), fold);
  const escaped = element === backslash && p + 1 < pattern.length;
  const literal = escaped ? (pattern[p + 1] as number) : element;
  return fold(literal) === fold(byte) ? p + (escaped ? 2 : 1) : -1;
}

/** As matchOne for what follows an opening bracket. A class that is never closed ends with the pattern. */
function matchClass(pattern: Buffer, start: number, byte: number, fold: (byte: number) => number): number {
  let p = start;
  const negated = pattern[p] === caret;
  if (negated) p++;
  let matched = false;
  for (; p < pattern.length && pattern[p] !== closingBracket; p++) {
    const first = pattern[p] as number;
    if (first === backslash && p + 1 < pattern.length) {
      if (fold(pattern[++p] as number) === byte) matched = true;
    } else if (pattern[p + 1] === dash && p + 2 < pattern.length) {
      const [a, b] = [fold(first), fold(pattern[p + 2] as number)];
      if (byte >= Math.min(a, b) && byte <= Math.max(a, b)) matched = true;
      p += 2;
    } else if (fold(first) === byte) {
      matched = true;
    }
  }
  return matched !== negated ? Math.min(p + 1, pattern.length) : -1;
}

const same = (byte: number): number => byte;
const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);
