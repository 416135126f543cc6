/**
 * A disk with less than min-free-space left: writes are refused with a clear error, reads go on, readiness says so, and all of it ends by itself when there is room. Of three nodes with one such disk the others go
 * on, and it gets what it missed. Needs root, for a file system that is small.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { httpPortOf, probe } from '../harness/http-probe.js';
import { type ServerGroup, startCluster, startNode } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { isFull, nextLookMs } from '../../server/disk-guard.js';
import { RespConnection } from './resp-connection.js';

const mebibyte = 1024 * 1024;

function smallDisk(t: ExecutionContext): string | undefined {
  const disk = mkdtempSync(join(tmpdir(), 'torc-nearly-full-'));
  t.teardown(() => {
    spawnSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true, force: true });
  });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk], { stdio: 'ignore' }).status === 0) return disk;
  process.stderr.write('\n*** THE TEST OF A NEARLY FULL DISK IS SKIPPED: mounting a tmpfs takes root ***\n\n');
  return undefined;
}

const diskCheck = async (group: ServerGroup, i: number): Promise<string> =>
  (await probe(httpPortOf(group.ports[i] as number), '/readyz')).body;

test('the least room, and room again', (t) => {
  t.false(isFull(100, 100, false));
  t.true(isFull(99, 100, false));
  t.true(isFull(124, 100, true));
  t.false(isFull(125, 100, true));
  t.false(isFull(0, 0, true));
});

test('a disk that fills fast is looked at often', (t) => {
  t.is(nextLookMs(100, 0, 250), 250);
  t.is(nextLookMs(100, -5, 250), 250);
  t.is(nextLookMs(-1, 5, 250), 250);
  t.is(nextLookMs(1000, 100, 40), 100); // 400 ms are left
  t.is(nextLookMs(10, 1000, 250), 10);
});

test('one node: MISCONF for writes, reads and readiness, and back by itself', async (t) => {
  const disk = smallDisk(t);
  if (disk === undefined) return t.pass();
  const group = await startNode({ dir: join(disk, 'data'), 'min-free-space': '16mb' });
  t.teardown(() => group.stop());
  const client = await RespConnection.open(group.port);
  t.teardown(() => client.close());
  const value = 'x'.repeat(100_000);
  let acknowledged = 0;
  let refusal = '';
  for (; refusal === ''; acknowledged++) {
    const { text } = await client.ask('SET', `key:${acknowledged}`, `${acknowledged}:${value}`);
    if (text !== 'OK') refusal = text;
  }
  acknowledged--;
  t.regex(refusal, /^MISCONF Errors writing to the commit log: /);
  t.true(acknowledged > 100, `${acknowledged}`);
  for (let i = 0; i < 50; i++) t.regex((await client.ask('SET', 'more', value)).text, /^MISCONF /);
  t.regex((await client.ask('DEL', 'key:0')).text, /^MISCONF /);
  const values = await client.values(Array.from({ length: acknowledged }, (_, index) => `key:${index}`));
  t.is(values.filter((one, index) => one !== `${index}:${value}`).length, 0);
  await until(async () => (await diskCheck(group, 0)).includes('less than min-free-space is left'), 'a readiness of no');
  await group.server(0).printed('"event":"disk-full"', 5000);

  t.is(spawnSync('mount', ['-o', 'remount,size=256m', disk]).status, 0);
  await until(async () => (await client.ask('SET', 'more', value)).text === 'OK', 'a write');
  t.true((await diskCheck(group, 0)).startsWith('{"ok":true'));
  await group.server(0).printed('"event":"disk-has-room"', 5000);
});

test('one of three: the others go on, its clients are served by them, and it gets what it missed', async (t) => {
  const disk = smallDisk(t);
  if (disk === undefined) return t.pass();
  const group = await startCluster({ directives: { 'min-free-space': '16mb' } });
  t.teardown(() => group.stop());
  // Its data lies on the small disk from its next start on.
  await group.server(2).stop();
  const data = join(group.dir, 'node3');
  t.is(
    spawnSync('sh', ['-c', `cp -a '${data}' '${join(disk, 'node3')}' && rm -rf '${data}' && ln -s '${join(disk, 'node3')}' '${data}'`])
      .status,
    0,
  );
  await group.restart(2);
  const [first, third] = [await RespConnection.open(group.ports[0] as number), await RespConnection.open(group.ports[2] as number)];
  t.teardown(() => (first.close(), third.close()));
  await until(async () => (await third.ask('SET', 'before', 'v')).text === 'OK', 'a cluster');
  writeFileSync(join(disk, 'filler'), Buffer.alloc(50 * mebibyte));
  await group.server(2).printed('"event":"disk-full"', 5000);
  await until(async () => (await diskCheck(group, 2)).includes('less than min-free-space is left'), 'a readiness of no');
  let refused = 0;
  let written = 0;
  for (let i = 0; i < 2000; i++) {
    const { text } = await (i % 2 === 0 ? first : third).ask('SET', `k:${i}`, `${i}:${'y'.repeat(20_000)}`);
    if (text === 'OK') written++;
    else refused++;
  }
  t.is(refused, 0, `${refused} refused`);
  const bytes = Number(spawnSync('du', ['-sb', join(disk, 'node3')], { encoding: 'utf8' }).stdout.split('\t')[0]);
  t.true(bytes < 16 * mebibyte, `${written} writes of 20 KB, and ${bytes} bytes on the nearly full disk`);
  t.is(group.pids.length, 3);
  for (let i = 0; i < 2000; i += 97) t.is((await third.ask('GET', `k:${i}`)).text, `${i}:${'y'.repeat(20_000)}`);

  rmSync(join(disk, 'filler'));
  t.is(spawnSync('mount', ['-o', 'remount,size=512m', disk]).status, 0);
  await group.server(2).printed('"event":"disk-has-room"', 10_000);
  const alone = await RespConnection.alone(group.ports[2] as number);
  t.teardown(() => alone.close());
  const keys = Array.from({ length: 2000 }, (_, i) => `k:${i}`);
  await until(async () => (await alone.values(keys)).every((value, i) => value === `${i}:${'y'.repeat(20_000)}`), 'all that it missed');
  t.true((await diskCheck(group, 2)).startsWith('{"ok":true'));
});
