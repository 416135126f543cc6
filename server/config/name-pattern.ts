/**
 * Glob patterns over directives' names, as CONFIG GET takes them: `*`, `?`, `[a-c]`, `[^a]`, `\x`, case ignored. Source: `stringmatchlen` in Redis'
 * src/util.c. Only the last `*` is tried again, which is enough for globs and bounds the work by pattern times name.
 */
type Token = 'any run' | ((character: string) => boolean);

/** @returns a predicate over names. */
export function namePattern(pattern: string): (name: string) => boolean {
  const tokens = tokensOf(pattern.toLowerCase());
  return (name) => matches(tokens, name.toLowerCase());
}

function matches(tokens: readonly Token[], name: string): boolean {
  let at = 0;
  let token = 0;
  let retryToken = -1;
  let retryAt = 0;
  while (at < name.length) {
    const current = tokens[token];
    if (current === 'any run') {
      retryToken = ++token;
      retryAt = at;
    } else if (current?.(name[at] ?? '')) {
      token++;
      at++;
    } else if (retryToken >= 0) {
      token = retryToken;
      at = ++retryAt;
    } else {
      return false;
    }
  }
  return tokens.slice(token).every((left) => left === 'any run');
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (const [part, negated, set, escaped] of pattern.matchAll(/\*|\?|\[(\^?)((?:\\.|[^\]\\])*)(?:\]|$)|\\(.)|./gs)) {
    if (part === '*') tokens.push('any run');
    else if (part === '?') tokens.push(() => true);
    else if (set !== undefined) tokens.push(characterSet(set, negated === '^'));
    else tokens.push((character) => character === (escaped ?? part));
  }
  return tokens;
}

function characterSet(set: string, negated: boolean): (character: string) => boolean {
  const ranges = [...set.matchAll(/\\(.)|(.)-(.)|(.)/gs)].map(([, escaped, first, last, single]) => {
    const [low, high] = [escaped ?? first ?? single ?? '', escaped ?? last ?? single ?? ''];
    return low <= high ? [low, high] : [high, low];
  });
  return (character) => ranges.some(([low = '', high = '']) => character >= low && character <= high) !== negated;
}
