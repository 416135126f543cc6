/** The turn meter finds a turn as long as it was, on a machine that has more to do than CPUs: what is told apart as the host's is not what other processes had. */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ServerProcess } from './server-process.js';
import { MeteredServer } from './turn-figures.js';
import { until } from './until.js';

const turnMs = 60;
/** In one turn a second, as much CPU time as a turn is long. */
const turns = `
const { cpuUsage } = process;
setInterval(() => {
  const before = cpuUsage();
  for (;;) {
    const { user, system } = cpuUsage(before);
    if (user + system >= ${turnMs * 1000}) break;
  }
}, 1000);
console.log(' ready on ');`;
const busy = `console.log(' ready on '); setImmediate(() => { for (;;); });`;

test.serial(`a turn of ${turnMs} ms beside processes that never rest`, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'torc-turns-'));
  t.teardown(() => rm(dir, { recursive: true, maxRetries: 3 }));
  const command = { program: process.execPath, port: 0, readyText: ' ready on ' };
  for (let index = 0; index < 2 * cpus().length; index++) {
    const other = await ServerProcess.start({ ...command, name: `busy process ${index}`, args: ['-e', busy] });
    t.teardown(() => other.kill());
  }
  const metered = await MeteredServer.run({ ...command, name: 'a process with long turns', args: ['-e', turns] }, join(dir, 'turns'));
  t.teardown(() => metered.server.kill());
  for (let round = 0; round < 4; round++) {
    let longestMs = 0;
    await until(async () => {
      const figures = await metered.figures();
      longestMs = figures.longestOwnMs;
      return figures.longestMs >= turnMs / 2;
    }, 'a turn comes');
    t.log(`${longestMs.toFixed(1)} ms`);
    t.true(longestMs > turnMs * 0.6, `a turn of ${longestMs} ms was found`);
    t.true(longestMs < turnMs * 1.5, `a turn of ${longestMs} ms was found`);
  }
});
