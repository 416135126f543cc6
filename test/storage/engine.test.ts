import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { once } from 'node:events';
import test from 'ava';
import { StorageError } from '../../storage/engine.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { RocksdbEngine } from '../../storage/rocksdb-engine.js';
import { engineCompliance, type EngineUnderTest } from './engine-compliance.js';
import { temporaryDirectory } from './temporary-directory.js';

function memoryUnderTest(engine = new MemoryEngine()): EngineUnderTest {
  return {
    engine,
    reopen: () => Promise.resolve(memoryUnderTest(engine.reopened())),
    dispose: () => engine.close(),
  };
}

async function rocksdbUnderTest(directory: string): Promise<EngineUnderTest> {
  const engine = await RocksdbEngine.open(directory);
  return {
    engine,
    reopen: async () => {
      await engine.close();
      return rocksdbUnderTest(directory);
    },
    dispose: async () => {
      await engine.close();
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

engineCompliance(test, 'memory', () => Promise.resolve(memoryUnderTest()));
engineCompliance(test, 'rocksdb', () => rocksdbUnderTest(fs.mkdtempSync(path.join(os.tmpdir(), 'torc-test-'))));

const key = Buffer.from('key');
const put = (value: string) => ({ puts: [[key, Buffer.from(value)] as const, [Buffer.from(value), key] as const], deletes: [] });
const choosing = (chosen: number) => ({ integer: (below: number) => Math.min(chosen, below - 1) });

test('a crash takes the memory engine back to its last synced batch, or to a later one, never into the middle of one', async (t) => {
  for (const survivors of [undefined, 0, 1, 2]) {
    const engine = new MemoryEngine();
    await engine.write(put('1'), { sync: false });
    await engine.write(put('2'), { sync: true });
    await engine.write(put('3'), { sync: false });
    await engine.write({ puts: [], deletes: [key, Buffer.from('2')] }, { sync: false });
    const after = engine.crashed(survivors === undefined ? undefined : choosing(survivors));
    const left = (await after.getMany([key, Buffer.from('1'), Buffer.from('2'), Buffer.from('3')])).map((value) => value?.toString());
    t.deepEqual(left, [['2', 'key', 'key', undefined], ['3', 'key', 'key', 'key'], [undefined, 'key', undefined, 'key']][survivors ?? 0]); // prettier-ignore
    await t.throwsAsync(engine.write(put('4'), { sync: true }), { instanceOf: StorageError });
  }
});

test('a database that another process has open is LOCKED', async (t) => {
  const directory = temporaryDirectory(t);
  const code = `import { RocksdbEngine } from ${JSON.stringify(new URL('../../storage/rocksdb-engine.js', import.meta.url).href)};
    await RocksdbEngine.open(process.argv[1]); process.stdout.write('open'); setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ['--input-type=module', '-e', code, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => other.kill('SIGKILL'));
  await once(other.stdout, 'data');
  const error = await t.throwsAsync(RocksdbEngine.open(directory), { instanceOf: StorageError });
  t.is(error.code, 'LOCKED', error.message);
  const exited = once(other, 'exit');
  other.kill('SIGKILL');
  await exited;
  await (await RocksdbEngine.open(directory)).close();
});

test('a place that cannot be a directory is NOT_WRITABLE', async (t) => {
  const file = path.join(temporaryDirectory(t), 'file');
  fs.writeFileSync(file, '');
  const error = await t.throwsAsync(RocksdbEngine.open(path.join(file, 'database')), { instanceOf: StorageError });
  t.is(error.code, 'NOT_WRITABLE', error.message);
});

test('damaged files are DAMAGED, at opening or when they are read', async (t) => {
  const directory = temporaryDirectory(t);
  let engine = await RocksdbEngine.open(directory, { cacheBytes: 1 << 20, writeBufferBytes: 64 << 10 });
  const puts = Array.from({ length: 2000 }, (_, index) => [Buffer.from(`key ${index}`), Buffer.alloc(200, `${index * 7919}`)] as const);
  for (let start = 0; start < puts.length; start += 100) {
    await engine.write({ puts: puts.slice(start, start + 100), deletes: [] }, { sync: true });
  }
  await engine.close();
  const intact = fs.readFileSync(path.join(directory, 'CURRENT'));
  fs.writeFileSync(path.join(directory, 'CURRENT'), 'rubbish');
  const atOpening = await t.throwsAsync(RocksdbEngine.open(directory), { instanceOf: StorageError });
  t.is(atOpening.code, 'DAMAGED', atOpening.message);
  fs.writeFileSync(path.join(directory, 'CURRENT'), intact);
  const manifest = path.join(directory, intact.toString().trim());
  fs.renameSync(manifest, `${manifest}.away`);
  t.is((await t.throwsAsync(RocksdbEngine.open(directory), { instanceOf: StorageError })).code, 'DAMAGED');
  fs.renameSync(`${manifest}.away`, manifest);

  for (const name of fs.readdirSync(directory).filter((file) => file.endsWith('.sst'))) {
    const bytes = fs.readFileSync(path.join(directory, name));
    bytes.fill(0x55, 100, Math.floor(bytes.length / 2));
    fs.writeFileSync(path.join(directory, name), bytes);
  }
  engine = await RocksdbEngine.open(directory);
  const atReading = await t.throwsAsync(engine.getMany(puts.map(([stored]) => stored)), { instanceOf: StorageError });
  t.is(atReading.code, 'DAMAGED', atReading.message);
  await engine.close();
});
