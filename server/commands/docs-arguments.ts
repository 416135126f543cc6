/**
 * A row's argument syntax as COMMAND DOCS tells it, from which redis-cli prints its hints as one types. The grammar is that of
 * Redis' own documentation: `UPPER` a token, `lower` an argument (with the token before it, if there is one), `[x]` optional, `a | b` one
 * of them, `<x>` x as one, `x [x ...]` x once or more, and `[x | y ...]` any number of either.
 */
import { MapReply, StatusReply, SetReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';

interface Argument {
  readonly name: string;
  readonly type: string;
  readonly token?: string;
  readonly parts?: readonly Argument[];
  optional?: boolean;
  multiple?: boolean;
}

const integers = new Set([
  'seconds',
  'milliseconds',
  'count',
  'increment',
  'decrement',
  'cursor',
  'index',
  'slot',
  'client-id',
  'protover',
]);

/** In order; empty for a command without arguments. */
export function argumentsOf(syntax: string): readonly Reply[] {
  const words = syntax.match(/[[\]|<>]|[^[\]|<>\s]+/g) ?? [];
  return parseAlternatives(words).map(replyOf);
}

/** Consumes `words` up to a closing bracket of this level, or all. */
function parseAlternatives(words: string[]): readonly Argument[] {
  const alternatives: Argument[][] = [[]];
  let word: string | undefined;
  while ((word = words.shift()) !== undefined && word !== ']' && word !== '>') {
    const current = alternatives.at(-1) as Argument[];
    if (word === '|') alternatives.push([]);
    else if (word === '[') current.push(...optionalArguments(current, words));
    else if (word === '<') current.push(asOne(parseAlternatives(words)));
    else if (word === '...') current.push({ name: word, type: 'repeat' });
    else if (word === word.toUpperCase()) current.push(tokenArgument(word, words));
    else current.push({ name: word, type: typeOf(word) });
  }
  const last = alternatives.at(-1) as Argument[];
  if (alternatives.length === 1) return last;
  const multiple = last.at(-1)?.type === 'repeat';
  if (multiple) last.pop();
  return [{ name: 'choice', type: 'oneof', parts: alternatives.map(asOne), ...(multiple ? { multiple } : {}) }];
}

/** What is in brackets: either more of what stands `before` it, which is then marked, or something optional. */
function optionalArguments(before: Argument[], words: string[]): readonly Argument[] {
  const inner = parseAlternatives(words);
  if (inner.at(-1)?.type !== 'repeat') return [{ ...asOne(inner), optional: true }];
  const once = inner.slice(0, -1);
  const repeated = before.slice(-once.length);
  if (repeated.length !== once.length || repeated.some((argument, index) => argument.name !== once[index]?.name)) {
    return [{ ...asOne(once), optional: true, multiple: true }];
  }
  before.splice(-once.length); // with the token before it, if there is one
  return [{ ...asOne(repeated), multiple: true }];
}

/** A token names the argument after it; alone it is one itself. */
function tokenArgument(token: string, words: string[]): Argument {
  const next = words[0];
  if (next === '<') {
    words.shift();
    return { ...asOne(parseAlternatives(words)), token };
  }
  if (next === undefined || !/^[a-z]/.test(next)) return { name: token.toLowerCase(), type: 'pure-token', token };
  words.shift();
  return { name: next, type: typeOf(next), token };
}

const asOne = (group: readonly Argument[]): Argument =>
  group.length === 1 ? (group[0] as Argument) : { name: 'block', type: 'block', parts: group };

function typeOf(name: string): string {
  if (name === 'key' || name === 'pattern') return name;
  if (name.startsWith('unix-time')) return 'unix-time';
  return integers.has(name) ? 'integer' : 'string';
}

function replyOf(argument: Argument): Reply {
  const entries: (readonly [Reply, Reply])[] = [
    ['name', argument.name],
    ['type', argument.type],
  ];
  if (argument.type === 'key') entries.push(['key_spec_index', 0]);
  if (argument.token !== undefined) entries.push(['token', argument.token]);
  const flags = [...(argument.optional ? ['optional'] : []), ...(argument.multiple ? ['multiple'] : [])];
  if (flags.length > 0) entries.push(['flags', new SetReply(flags.map((flag) => new StatusReply(flag)))]);
  if (argument.parts) entries.push(['arguments', argument.parts.map(replyOf)]);
  return new MapReply(entries);
}
