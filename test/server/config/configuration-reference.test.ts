/** docs/configuration.md is what the table says. */
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { configurationReference } from '../../../server/config/configuration-reference.js';
import { directiveNames } from '../../../server/config/directives.js';

test('docs/configuration.md is not stale', async (t) => {
  const file = new URL('../../../../docs/configuration.md', import.meta.url);
  t.true((await readFile(file, 'utf8')) === configurationReference(), 'run `npm run docs`');
});

test('it has one line for each directive, with its variable', (t) => {
  const lines = configurationReference().split('\n');
  for (const name of directiveNames) {
    const found = lines.filter((line) => line.startsWith(`| \`${name}\` |`));
    t.is(found.length, 1, name);
    t.true(found[0]!.endsWith(`| \`TORC_${name.toUpperCase().replaceAll('-', '_')}\` |`), name);
  }
});
