/** docs/commands.md is what the table says. */
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { allRows } from '../../../server/commands/all.js';
import { commandReference } from '../../../server/commands/command-reference.js';
import { departures } from '../../../server/commands/departures.js';

test('docs/commands.md is not stale', async (t) => {
  const file = new URL('../../../../docs/commands.md', import.meta.url);
  t.true((await readFile(file, 'utf8')) === commandReference(), 'run `npm run docs`');
});

test('it names every command of the table', (t) => {
  const text = commandReference();
  for (const { name, scope } of allRows)
    if (scope !== 'partition') t.regex(text, new RegExp(`^\\| ${name.toUpperCase()}( |\\|)`, 'm'), name);
});

test('of every command that may name keys of several partitions it says what becomes of that', (t) => {
  const several = allRows.filter((row) => row.scope === 'keys' && (row.keys.first !== row.keys.last || row.findKeys !== undefined));
  t.true(several.length >= 40);
  for (const { name } of several) t.truthy(departures[name], name);
});
