/** The harness starts, freezes, kills and restarts real servers, and leaves none behind. */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import test from 'ava';
import { freePort, nodeFits } from './free-ports.js';
import { redisServer, requireRedisTools } from './processes.js';
import { ServerProcess } from './server-process.js';

test('a killed server is restarted in its place, and stop() leaves neither process nor directory', async (t) => {
  if (!requireRedisTools(t)) return;
  const redis = await redisServer({ replicas: 1 });
  t.teardown(() => redis.stop());
  t.is(redis.pids.length, 2);
  const before = redis.server(0).pid;
  await redis.kill9(0);
  t.is(await redis.server(0).exited, 'signal SIGKILL');
  t.is(redis.pids.length, 1);
  await redis.restart(0);
  t.not(redis.server(0).pid, before);
  redis.pause(1);
  const pids = redis.pids;
  await redis.stop();
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  t.false(existsSync(redis.dir));
});

test('a server that ends before it serves is an error with its own words', async (t) => {
  const command = { name: 'a failing server', program: process.execPath, port: 1, readyText: ' ready on ' };
  const error = await t.throwsAsync(ServerProcess.start({ ...command, args: ['-e', 'console.error("no such disk"); process.exit(3)'] }));
  t.regex(error.message, /a failing server ended \(exit code 3\)/);
  t.regex(error.message, /no such disk/);
  const missing = await t.throwsAsync(ServerProcess.start({ ...command, program: '/nonexistent/server', args: [] }));
  t.regex(missing.message, /did not start/);
});

test('a free port is one whose peer and HTTP ports are free too', async (t) => {
  const port = await freePort();
  t.true(port + 10_000 <= 65_535);
  for (const offset of [0, 2_000, 10_000]) {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(port + offset, '127.0.0.1', resolve));
    t.false(await nodeFits(port), `port + ${offset} is taken`);
    await new Promise<unknown>((resolve) => taken.close(resolve));
    t.true(await nodeFits(port));
  }
});
