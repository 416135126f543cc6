/** The words that rows are made of, so that a row says in a few lines what COMMAND, ACL and routing need to know of it. */
import type { CommandDocs, CommandRow, KeyedRow, KeyPositions, LocalRow } from '../command-table.js';
import { StatusReply } from '../../protocol/resp/reply.js';
import { unknownSubcommand } from './errors.js';

export const noKeys: KeyPositions = { first: 0, last: 0, step: 0 };
export const firstIsKey: KeyPositions = { first: 1, last: 1, step: 1 };
export const allAreKeys: KeyPositions = { first: 1, last: -1, step: 1 };
export const keyValuePairs: KeyPositions = { first: 1, last: -1, step: 2 };

/** Docs of one family: everything but the group. */
export function docsOf(group: CommandDocs['group']) {
  return (since: string, complexity: string, summary: string, syntax = ''): CommandDocs => ({ summary, since, group, complexity, syntax });
}

/** Docs and rows of a family of commands on keys, whose ACL category is its group's name. */
export function familyOf(group: CommandDocs['group']) {
  const category = group.replace('-', '');
  const row = (
    name: string,
    arity: number,
    flags: KeyedRow['flags'],
    keys: KeyPositions,
    docs: CommandDocs,
    parse: KeyedRow['parse'],
  ): KeyedRow => {
    const categories = [flags.includes('write') ? 'write' : 'read', category, flags.includes('fast') ? 'fast' : 'slow'];
    if (flags.includes('blocking')) categories.push('blocking');
    return { scope: 'keys', name, arity, flags, keys, categories, docs, parse };
  };
  return { docs: docsOf(group), row };
}

type Container = Pick<LocalRow, 'name' | 'categories' | 'docs'> &
  Partial<Pick<LocalRow, 'arity' | 'flags' | 'run'>> & {
    /** When its HELP came, if not with most others'. */
    readonly helpSince?: string;
  };

/** A command that is only a name for its subcommands. `help` is what its HELP prints between the first and the last two lines. */
export function container({ helpSince, ...row }: Container, help: readonly string[], rows: readonly CommandRow[]): LocalRow {
  const subcommands = new Map<string, CommandRow>();
  for (const sub of [...rows, helpRow(row, help, helpSince)]) subcommands.set(sub.name.slice(row.name.length + 1), sub);
  return {
    scope: 'local',
    arity: -2,
    flags: [],
    keys: noKeys,
    run: (_context, args) => unknownSubcommand(row.name, args),
    ...row,
    subcommands,
  };
}

function helpRow(row: Container, help: readonly string[], since = '5.0.0'): LocalRow {
  const opening = `${row.name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`;
  const lines = [opening, ...help, 'HELP', '    Prints this help.'].map((line) => new StatusReply(line));
  return {
    scope: 'local',
    name: `${row.name}|help`,
    arity: 2,
    flags: ['loading', 'stale'],
    keys: noKeys,
    categories: row.categories,
    docs: {
      ...row.docs,
      since,
      complexity: 'O(1)',
      summary: 'Returns helpful text about the different subcommands.',
      syntax: '',
    },
    run: () => lines,
  };
}
