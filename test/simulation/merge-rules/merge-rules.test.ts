/**
 * docs/merge-rules.md on a simulated cluster of real nodes: for each row of its table what both sides of a partition write, and what every node
 * shows once they have met. The examples of the table are among them, command by command.
 */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { hashes } from './hashes.js';
import { lists } from './lists.js';
import { playTogether, stepOf, type Played } from './merge-scenario.js';
import { sets } from './sets.js';
import { sortedSets } from './sorted-sets.js';
import { streams } from './streams.js';
import { strings } from './strings.js';
import { wholeKeys } from './whole-keys.js';

const scenarios = [...strings, ...hashes, ...sets, ...sortedSets, ...lists, ...streams, ...wholeKeys];

let played: Played;
test.before(async () => {
  played = await playTogether(scenarios);
});

for (const scenario of scenarios)
  test(`${scenario.row}: ${scenario.title}`, (t) => {
    t.deepEqual(played.transcripts.get(scenario), scenario.steps);
    t.is(played.fault, undefined, 'the same bytes on every node');
  });

/** First and last cell of each row of the table. */
function rowsOf(page: string): { readonly name: string; readonly example: string }[] {
  return [...page.matchAll(/^\| (.*?) \| .* \| (.*?) \|$/gm)]
    .map(([, name = '', example = '']) => ({ name, example }))
    .filter(({ name }) => name !== 'what' && name !== '---');
}

test('each row of docs/merge-rules.md has scenarios of its name, which give the commands of its example', (t) => {
  const rows = rowsOf(readFileSync(new URL('../../../../docs/merge-rules.md', import.meta.url), 'utf8'));
  t.deepEqual(rows.map(({ name }) => name).toSorted(), [...new Set(scenarios.map(({ row }) => row))].toSorted());
  for (const { name, example } of rows) {
    const played = scenarios.filter(({ row }) => row === name).flatMap(({ steps }) => steps.map((line) => stepOf(line).command));
    const commands = [...example.matchAll(/`([A-Z]{3,} [^`]*)`/g)].map(([, command]) => command);
    t.true(commands.length > 0, `${name} has an example`);
    t.deepEqual(
      commands.filter((command) => !played.includes(command ?? '')),
      [],
      name,
    );
  }
});
