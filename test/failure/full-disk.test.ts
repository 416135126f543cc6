/**
 * A node whose log cannot be appended to stops with one clear line and a non-zero exit; it has acknowledged nothing that is not there once
 * the disk has room again. Needs root, for a file system that is really full.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startNode } from '../harness/processes.js';
import { RespConnection } from './resp-connection.js';

function mount(directory: string, options: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory], { stdio: 'ignore' }).status === 0;
}

test('a full disk stops the node, and nothing acknowledged is lost', async (t) => {
  t.timeout(60_000);
  const disk = mkdtempSync(join(tmpdir(), 'torc-full-'));
  t.teardown(() => {
    spawnSync('umount', [disk]);
    rmSync(disk, { recursive: true, force: true });
  });
  if (!mount(disk, 'size=8m')) {
    process.stderr.write('\n*** THE TEST OF A FULL DISK IS SKIPPED: mounting a tmpfs takes root ***\n\n');
    return t.pass();
  }
  const node = await startNode({ dir: join(disk, 'data'), 'min-free-space': '0' });
  t.teardown(() => node.stop());
  const server = node.server(0);
  const connection = await RespConnection.open(node.port);
  const value = 'x'.repeat(4000);
  let acknowledged = 0;
  await t.throwsAsync(
    async () => {
      for (;;) {
        const { text } = await connection.ask('SET', `key:${acknowledged}`, `${acknowledged}:${value}`);
        if (text !== 'OK') throw new Error(text);
        acknowledged++;
      }
    },
    { message: /closed|ECONNRESET|EPIPE/ },
  );
  const ending = await server.exited;
  t.is(ending, 'exit code 1');
  const lines = server.output.trimEnd().split('\n');
  const spoken = lines.slice(lines.findIndex((line) => line.includes(' ready on ')) + 1).filter((line) => !line.startsWith('{'));
  t.is(spoken.length, 1, server.output);
  t.regex(spoken[0] ?? '', /^torc: .*(full|ENOSPC|no space)/i);
  t.true(acknowledged > 100);

  t.is(spawnSync('mount', ['-o', 'remount,size=64m', disk]).status, 0);
  await node.restart(0);
  const again = await RespConnection.open(node.port);
  const values = await again.values(Array.from({ length: acknowledged }, (_, index) => `key:${index}`));
  t.is(values.filter((one, index) => one !== `${index}:${value}`).length, 0);
  t.log(`${acknowledged} acknowledged; '${spoken[0]}'`);
  again.close();
});
