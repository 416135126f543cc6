/** docs/commands.md, made from the table: every command of Redis 7.2 and the later ones of hashes, and what Torc has of it. `npm run docs` writes it. */
import type { CommandRow } from '../command-table.js';
import { allRows } from './all.js';
import { departures } from './departures.js';
import { redisCommands } from './redis-commands.js';
import { unsupported } from './unsupported.js';

const subcommandsOf = (row: CommandRow): readonly CommandRow[] =>
  row.scope === 'local' && row.subcommands ? [...row.subcommands.values()] : [];

const isContainer = (row: CommandRow): boolean => subcommandsOf(row).length > 0;
const shownName = (name: string): string => name.replace('|', ' ').toUpperCase();
const cell = (text: string): string => text.replaceAll('|', '\\|');

interface Line {
  readonly name: string;
  readonly state: 'yes' | 'partly' | 'no';
  readonly remark: string;
}

function lineOf(name: string, row: CommandRow | undefined): Line {
  const remark = departures[name];
  if (row === undefined) return { name, state: 'no', remark: `\`${unsupported(name)?.text ?? ''}\`` };
  return remark === undefined ? { name, state: 'yes', remark: '' } : { name, state: 'partly', remark };
}

function table(lines: readonly Line[]): string {
  const rows = lines.map(({ name, state, remark }) => `| ${shownName(name)} | ${state} | ${cell(remark)} |`);
  return ['| command | supported | what is missing or different, or the error |', '| --- | --- | --- |', ...rows].join('\n');
}

/** The whole file. Throws Error when departures.ts speaks of a command that is not there. */
export function commandReference(): string {
  const rows = new Map(
    allRows
      .filter(({ scope }) => scope !== 'partition')
      .flatMap((row) => [row, ...subcommandsOf(row)])
      .map((row) => [row.name, row] as const),
  );
  for (const name of Object.keys(departures))
    if (!rows.has(name)) throw new Error(`departures.ts speaks of ${name}, which is not in the table`);
  const known = new Set(redisCommands.map(({ name }) => name));
  const containers = new Set([...known].flatMap((name) => (name.includes('|') ? [name.split('|', 1)[0] ?? ''] : [])));
  // COMMAND alone does something; other containers are only names.
  const listed = redisCommands.filter(
    ({ name }) => name === 'command' || !containers.has(name) || (rows.has(name) && !isContainer(rows.get(name) as CommandRow)),
  );
  const groups = [...new Set(listed.map(({ group }) => group))];
  const sections = groups.map((group) => {
    const lines = listed.filter((each) => each.group === group).map(({ name }) => lineOf(name, rows.get(name)));
    const have = lines.filter(({ state }) => state !== 'no').length;
    return `## ${group}\n\n${have} of ${lines.length}.\n\n${table(lines)}\n`;
  });
  const own = [...rows.values()].filter((row) => row.name.startsWith('torc|') && !row.name.endsWith('|help'));
  const ownTable = [
    '| command | what it does |',
    '| --- | --- |',
    ...own.map(({ name, docs }) => `| ${shownName(name)} ${cell(docs.syntax)} | ${cell(docs.summary)} |`),
  ];
  const all = listed.map(({ name }) => lineOf(name, rows.get(name)));
  const count = (state: Line['state']): number => all.filter((line) => line.state === state).length;
  return `# Commands

Every command of Redis 7.2, and of hashes those of 7.4 and 8.0, subcommands by themselves, and what Torc has of it: ${count('yes')} as in Redis, ${count('partly')} partly or differently, ${count('no')} not. Made from the
command table by \`npm run docs\`; CI fails when it is stale. A command of Redis that Torc does not have is refused by name, with the error in the table; what Redis does not know
either is \`ERR unknown command\`. [migrating-from-redis.md](migrating-from-redis.md) says what to do instead.

${sections.join('\n')}
## torc

${ownTable.join('\n')}
`;
}
