/**
 * A disk that refuses writes under a running node: by EFBIG, with which the kernel refuses every write of a process, as EIO would; by EROFS, after an error of a real ext4 that turns itself read-only, until it is mounted anew;
 * and when it is full to the last byte. Writes are refused with a clear error, reads go on, readiness says so, the other nodes go on, and it ends by itself.
 *
 * The first needs prlimit (util-linux), the second root, a loop device and mkfs.ext4; where they are missing that is said loudly.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { httpPortOf, probe } from '../harness/http-probe.js';
import { type ServerGroup, startCluster, startNode } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { RespConnection } from './resp-connection.js';

const misconf = /^MISCONF Errors writing to the commit log: /;
const value = (i: number): string => `${i}:${'x'.repeat(2000)}`;
const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `key:${i}`);

function run(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

function skip(t: ExecutionContext, what: string, obstacle: string): void {
  process.stderr.write(`\n*** THE TEST OF ${what} IS SKIPPED: ${obstacle} ***\n\n`);
  t.pass();
}

/** Has the kernel refuse every write of the process to a file, or allow them again; pipes and sockets are as ever. */
function refuseWrites(group: ServerGroup, index: number, refuse: boolean): boolean {
  return run('prlimit', `--pid=${group.server(index).pid}`, `--fsize=${refuse ? '0' : 'unlimited'}:unlimited`);
}

const readyz = async (group: ServerGroup, index: number): Promise<string> =>
  (await probe(httpPortOf(group.ports[index] as number), '/readyz')).body;

async function told(group: ServerGroup, index: number, event: string): Promise<void> {
  await group.server(index).printed(`"event":"${event}"`, 30_000);
}

/** Sets keys one after the other until that is refused; returns how many were acknowledged, and what the first one that was not met. */
async function fill(port: number, from: number, most: number): Promise<{ readonly acknowledged: number; readonly refusal: string }> {
  const client = await RespConnection.open(port);
  for (let i = from; i < from + most; i++) {
    const { text } = await client.ask('SET', `key:${i}`, value(i)).catch((error: unknown) => ({ text: String(error) }));
    if (text === 'OK') continue;
    client.close();
    return { acknowledged: i, refusal: text };
  }
  client.close();
  return { acknowledged: from + most, refusal: '' };
}

async function wrong(port: number, acknowledged: number): Promise<number> {
  const client = await RespConnection.open(port);
  const values = await client.values(keys(acknowledged));
  client.close();
  return values.filter((one, i) => one !== value(i)).length;
}

test('one node whose writes all fail: MISCONF, reads, readiness, INFO; and back by itself with all that was acknowledged', async (t) => {
  for (const durability of ['everysec', 'always']) {
    const group = await startNode({ durability });
    t.teardown(() => group.stop());
    const before = await fill(group.port, 0, 500);
    t.is(before.acknowledged, 500);
    if (!refuseWrites(group, 0, true)) return skip(t, 'WRITES THAT FAIL', 'prlimit (util-linux) is missing');
    const { acknowledged } = await fill(group.port, 500, 10);
    t.is(acknowledged, 500);
    await told(group, 0, 'disk-failing');
    const client = await RespConnection.open(group.port);
    for (let i = 0; i < 20; i++) t.regex((await client.ask('SET', 'more', 'v')).text, misconf);
    t.regex((await client.ask('DEL', 'key:0')).text, misconf);
    t.is(await wrong(group.port, 500), 0);
    t.regex(await readyz(group, 0), /the disk refuses writes, and is tried again each second: .*(EFBIG|full|file too large)/i);
    t.regex((await client.ask('INFO', 'persistence')).text, /aof_last_write_status:err/);

    t.true(refuseWrites(group, 0, false));
    await told(group, 0, 'disk-recovered');
    await until(async () => (await readyz(group, 0)).startsWith('{"ok":true'), 'readiness');
    t.regex((await client.ask('INFO', 'persistence')).text, /aof_last_write_status:ok/);
    t.is((await client.ask('SET', 'key:500', value(500))).text, 'OK');
    client.close();
    await group.server(0).kill();
    await group.restart(0);
    t.is(await wrong(group.port, 501), 0);
  }
});

test('one of three nodes whose writes all fail: nothing that is asked of any node is refused, and it gets what it missed', async (t) => {
  const group = await startCluster();
  t.teardown(() => group.stop());
  t.is((await fill(group.port, 0, 300)).acknowledged, 300);
  if (!refuseWrites(group, 2, true)) return skip(t, 'WRITES THAT FAIL ON ONE OF THREE', 'prlimit (util-linux) is missing');
  await fill(group.port, 0, 300); // some of these meet the disk as it begins to fail, and may be of unknown outcome
  await told(group, 2, 'disk-failing');
  await until(async () => (await fill(group.ports[2] as number, 0, 300)).acknowledged === 300, 'writes at the node whose disk fails');
  for (const [index, port] of group.ports.entries()) {
    t.is((await fill(port, 0, 300)).refusal, '', `at ${index}`);
    t.is(await wrong(port, 300), 0);
  }
  t.true((await readyz(group, 2)).includes('the disk refuses writes'));
  t.true((await readyz(group, 0)).startsWith('{"ok":true'));
  t.is((await fill(group.port, 300, 300)).acknowledged, 600);

  t.true(refuseWrites(group, 2, false));
  await told(group, 2, 'disk-recovered');
  const alone = await RespConnection.alone(group.ports[2] as number);
  t.teardown(() => alone.close());
  await until(async () => (await alone.values(keys(600))).every((one, i) => one === value(i)), 'all that it missed');
  t.true((await readyz(group, 2)).startsWith('{"ok":true'));
});

interface Ext4 {
  readonly directory: string;
  /** An error that the file system meets: it turns read-only. */
  readonly fail: () => void;
  /** Unmounted as far as that goes under a running process, checked, and mounted anew. */
  readonly mend: () => boolean;
}

function ext4(t: ExecutionContext): Ext4 | undefined {
  const base = mkdtempSync(join(tmpdir(), 'torc-failing-'));
  const image = join(base, 'image');
  const directory = join(base, 'mounted');
  mkdirSync(directory);
  const devices: string[] = [];
  const unmounted = (): boolean => run('umount', '-l', directory);
  /** Each time on a device of its own: what is mounted once more from the same one is the same file system, errors and all. */
  const mounted = (): boolean => {
    const device = spawnSync('losetup', ['--find', '--show', image], { encoding: 'utf8' }).stdout.trim();
    if (device === '') return false;
    devices.push(device);
    return run('mount', '-o', 'errors=remount-ro', device, directory);
  };
  t.teardown(() => {
    while (unmounted());
    for (const device of devices) run('losetup', '--detach', device);
    rmSync(base, { recursive: true, force: true });
  });
  if (!run('truncate', '-s', '256M', image) || !run('mkfs.ext4', '-q', '-F', image) || !mounted()) return undefined;
  const trigger = `/sys/fs/ext4/${devices[0]?.replace('/dev/', '')}/trigger_fs_error`;
  if (!existsSync(trigger)) return undefined;
  return {
    directory,
    fail: () => writeFileSync(trigger, '1'),
    mend: () => unmounted() && spawnSync('e2fsck', ['-fy', image], { stdio: 'ignore' }).error === undefined && mounted(),
  };
}

test('a file system that turns itself read-only under one node, and is mounted anew: nothing acknowledged is lost', async (t) => {
  const disk = ext4(t);
  if (disk === undefined)
    return skip(t, 'A DISK THAT TURNS READ-ONLY', 'mounting an ext4 that can be made to fail takes root, a loop device and e2fsprogs');
  const group = await startNode({ dir: join(disk.directory, 'data'), 'min-free-space': '16mb' });
  t.teardown(() => group.stop());
  t.is((await fill(group.port, 0, 500)).acknowledged, 500);
  disk.fail();
  await fill(group.port, 500, 1);
  await told(group, 0, 'disk-failing');
  t.regex((await fill(group.port, 500, 1)).refusal, misconf);
  t.is(await wrong(group.port, 500), 0);
  t.regex(await readyz(group, 0), /read-only file system/i);

  t.true(disk.mend());
  await told(group, 0, 'disk-recovered');
  t.is((await fill(group.port, 500, 100)).acknowledged, 600);
  await group.server(0).kill();
  await group.restart(0);
  t.is(await wrong(group.port, 600), 0);
});

test('a disk that is full to the last byte: MISCONF and reads, and back by itself when there is room', async (t) => {
  const disk = mkdtempSync(join(tmpdir(), 'torc-full-'));
  t.teardown(() => {
    run('umount', '-l', disk);
    rmSync(disk, { recursive: true, force: true });
  });
  if (!run('mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk)) return skip(t, 'A FULL DISK', 'mounting a tmpfs takes root');
  const group = await startNode({ dir: join(disk, 'data'), 'min-free-space': '0' });
  t.teardown(() => group.stop());
  const { acknowledged } = await fill(group.port, 0, 100_000);
  t.true(acknowledged > 1000, `${acknowledged}`);
  await told(group, 0, 'disk-failing');
  t.regex((await fill(group.port, acknowledged, 1)).refusal, misconf);
  t.is(await wrong(group.port, acknowledged), 0);

  t.true(run('mount', '-o', 'remount,size=64m', disk));
  await told(group, 0, 'disk-recovered');
  t.is((await fill(group.port, acknowledged, 100)).acknowledged, acknowledged + 100);
  await group.server(0).kill();
  await group.restart(0);
  t.is(await wrong(group.port, acknowledged + 100), 0);
});
