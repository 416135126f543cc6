/**
 * `npm test`. A process for a file of tests costs 0.3 s of processor time before its first test, more than the tests of many files take. So files
 * whose tests only compute run together, those of a folder in one process: nothing in them waits, so each test ends before the next begins, as alone.
 * Every other file has a process of its own, and so has one that is named: `npx ava dist/test/protocol/slot.test.js`.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const tests = new URL('../dist/test/', import.meta.url);
const together = new URL('together/', tests);

/** In tests that wait, have hooks, or touch what a process has once. */
const needsProcess =
  /\b(async|await|Promise|then|setTimeout|setImmediate|Worker)\b|\btest\.(serial|before|after|beforeEach|afterEach)\b|\bprocess\./;

const computing = readdirSync(tests, { recursive: true })
  .filter((file) => /(?<!\.timing)\.test\.js$/.test(file) && !file.startsWith('together'))
  .filter((file) => !needsProcess.test(readFileSync(new URL(file, tests), 'utf8')))
  .sort();
const folders = new Set(computing.map(folderOf));

rmSync(together, { recursive: true, force: true });
mkdirSync(together);
for (const folder of folders) {
  const members = computing.filter((file) => folderOf(file) === folder);
  writeFileSync(new URL(`${folder}.test.js`, together), members.map((file) => `import '../${file}';\n`).join(''));
}

function folderOf(file) {
  return file.slice(0, file.indexOf('/'));
}

export default {
  files: ['dist/test/**/*.test.js', '!dist/test/**/*.timing.test.js', ...computing.map((file) => `!dist/test/${file}`)],
  timeout: '120s',
  workerThreads: false,
  concurrency: 3, // on two processors: some tests wait
};
