/** docs/commands.md is what the table says. */
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { allRows } from '../../../server/commands/all.js';
import { commandReference } from '../../../server/commands/command-reference.js';

test('docs/commands.md is not stale', async (t) => {
  const file = new URL('../../../../docs/commands.md', import.meta.url);
  t.true((await readFile(file, 'utf8')) === commandReference(), 'run `npm run docs`');
});

test('it names every command of the table', (t) => {
  const text = commandReference();
  for (const { name, scope } of allRows)
    if (scope !== 'partition') t.regex(text, new RegExp(`^\\| ${name.toUpperCase()}( |\\|)`, 'm'), name);
});
