/**
 * The syntax of redis.conf: a directive and its arguments on a line, `#` comments on lines of their own, arguments in double quotes with
 * \n \r \t \b \a \xHH escapes or in single quotes with \' only. Source: `sdssplitargs` in Redis' src/sds.c and `loadServerConfigFromString` in
 * src/config.c.
 */

/** A directive as it was written, before anything is known about it. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  /** Where it stands, as the beginning of an error: `torc.conf line 3: `; empty for the command line. */
  readonly place: string;
}

/** What is wrong with a configuration: one line that names the place, the directive, the bad value and what is allowed. */
export class ConfigurationError extends Error {
  readonly code = 'CONFIGURATION';
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' };

/** The words of a line, quotes and escapes resolved; undefined when a quote is not closed or is followed by something other than a space. */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  let rest = line.trimStart();
  while (rest !== '') {
    const match = /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"']+))(?=\s|$)/.exec(rest);
    if (match === null) return undefined;
    const [whole, double, single, bare] = match;
    words.push(bare ?? (double !== undefined ? unescapeDouble(double) : (single ?? '').replaceAll("\\'", "'")));
    rest = rest.slice(whole.length).trimStart();
  }
  return words;
}

function unescapeDouble(quoted: string): string {
  return quoted.replaceAll(/\\(?:x([0-9a-f]{2})|(.))/gi, (_, hex: string | undefined, letter: string | undefined) =>
    hex !== undefined ? String.fromCharCode(parseInt(hex, 16)) : (escapes[letter ?? ''] ?? letter ?? ''),
  );
}

/** @throws ConfigurationError naming the line, counted from 1. */
export function parseConfigurationFile(contents: string, fileName: string): Setting[] {
  const settings: Setting[] = [];
  for (const [index, line] of contents
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const place = `${fileName} line ${index + 1}: `;
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const words = splitWords(trimmed);
    if (words === undefined) throw new ConfigurationError(`${place}unbalanced quotes in '${trimmed}'`);
    const [name = '', ...args] = words;
    if (args.length === 0) throw new ConfigurationError(`${place}${name} has no value; an empty one is written ${name} ""`);
    settings.push({ name, value: args.join(' '), place });
  }
  return settings;
}
