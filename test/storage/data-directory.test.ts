import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { DataDirectory, lifeMax, nextLife, readNodeRecord, type NodeRecord } from '../../storage/data-directory.js';
import { StorageError } from '../../storage/engine.js';
import { DiskLogFiles } from '../../storage/file-log-files.js';
import { segmentName } from '../../storage/log-segment.js';
import { openLog } from './log-fixtures.js';
import { temporaryDirectory } from './temporary-directory.js';

const record: NodeRecord = { nodeId: 'node-1', life: 1, bootId: 'boot-a', durability: 'everysec', cleanStop: false };
/** Written by version 1 of the formats and never again; from the sources, as the compiler copies no such files. */
const golden = fileURLToPath(new URL('../../../test/storage/golden/v1/', import.meta.url));

test('a new directory is created, and holds at the next start what was written', async (t) => {
  const directory = path.join(temporaryDirectory(t), 'deep', 'data');
  const first = await DataDirectory.open(directory);
  t.is(first.previous, undefined);
  await first.write(record);
  await first.write({ ...record, cleanStop: true });
  await first.engine.write({ puts: [[Buffer.from('k'), Buffer.from('v')]], deletes: [] }, { sync: true });
  await first.close();
  const second = await DataDirectory.open(directory);
  t.deepEqual(second.previous, { ...record, cleanStop: true });
  t.deepEqual(await second.engine.getMany([Buffer.from('k')]), [Buffer.from('v')]);
  t.deepEqual(await second.logFiles.list(), []);
  await second.close();
});

test('a directory in use is LOCKED, and is left as it was', async (t) => {
  const directory = temporaryDirectory(t);
  const first = await DataDirectory.open(directory);
  await first.write(record);
  const error = await t.throwsAsync(DataDirectory.open(directory), { instanceOf: StorageError });
  t.is(error.code, 'LOCKED');
  t.regex(error.message, /another process has it open/);
  t.deepEqual(readNodeRecord(directory), record);
  await first.close();
});

test('a place that cannot be written is NOT_WRITABLE', async (t) => {
  const file = path.join(temporaryDirectory(t), 'file');
  fs.writeFileSync(file, '');
  const error = await t.throwsAsync(DataDirectory.open(path.join(file, 'data')), { instanceOf: StorageError });
  t.is(error.code, 'NOT_WRITABLE');
});

test('a newer format is refused by both numbers before anything is touched; a record without sense is DAMAGED', async (t) => {
  const directory = temporaryDirectory(t);
  const plant = (text: string): void => fs.writeFileSync(path.join(directory, 'torc.json'), text);
  plant('{"formatVersion": 3, "something": "new"}');
  const newer = await t.throwsAsync(DataDirectory.open(directory), { instanceOf: StorageError });
  t.is(newer.code, 'NEWER_FORMAT');
  t.regex(newer.message, /version 3; this program reads up to 2/);
  t.false(fs.existsSync(path.join(directory, 'rocksdb')));

  const good = { formatVersion: 2, ...record };
  const bad = ['', '{', '[]', 'null', '{}', ...[0, 1.5, lifeMax + 1, '1'].map((life) => JSON.stringify({ ...good, life }))];
  for (const field of Object.keys(good)) bad.push(JSON.stringify({ ...good, [field]: undefined }));
  for (const text of bad) {
    plant(text);
    const error = await t.throwsAsync(DataDirectory.open(directory), { instanceOf: StorageError }, text);
    t.is(error?.code, 'DAMAGED', text);
  }
  plant(JSON.stringify(good));
  t.deepEqual(readNodeRecord(directory), record);
});

test('a life goes on exactly when all that was written in it, and may have been sent, is surely there', (t) => {
  const life = (previous: Partial<NodeRecord>, bootId: string, logDamaged = false) =>
    nextLife({ previous: { ...record, life: 5, ...previous }, bootId, logDamaged });
  t.deepEqual(nextLife({ previous: undefined, bootId: 'boot-a', logDamaged: false }), { life: 1, reason: 'new directory' });
  t.deepEqual(life({ cleanStop: true }, 'boot-b'), { life: 5, reason: 'clean stop' });
  t.deepEqual(life({}, 'boot-a'), { life: 5, reason: 'same boot' });
  t.deepEqual(life({ durability: 'always' }, 'boot-b'), { life: 6, reason: 'durability always' });
  t.deepEqual(life({ durability: 'always' }, 'boot-a'), { life: 5, reason: 'same boot' });
  t.deepEqual(life({}, 'boot-b'), { life: 6, reason: 'writes may be lost' });
  t.deepEqual(life({ durability: 'os' }, 'boot-b'), { life: 6, reason: 'writes may be lost' });
  t.deepEqual(life({ bootId: '' }, ''), { life: 6, reason: 'writes may be lost' });
  t.deepEqual(life({ cleanStop: true, durability: 'always' }, 'boot-a', true), { life: 6, reason: 'log damaged' });
  t.throws(() => life({ life: lifeMax }, 'boot-b'), { instanceOf: RangeError });
});

test('golden data of format version 1 still reads', async (t) => {
  const directory = temporaryDirectory(t);
  fs.cpSync(golden, directory, { recursive: true });
  t.deepEqual(readNodeRecord(directory), { nodeId: 'golden', life: 3, bootId: 'a-boot', durability: 'always', cleanStop: true });
  const { log, entries } = await openLog(new DiskLogFiles(path.join(directory, 'log')));
  t.deepEqual(entries, [
    { kind: 1, payload: 'first', position: 0 },
    { kind: 2, payload: '\x00\xff\r\n', position: 17 },
    { kind: 255, payload: '', position: 33 },
    { kind: 1, payload: 'of the second segment', position: 45 },
  ]);
  t.is(log.tornBytes, 0);
  await log.close();
});

test('golden data is what this program writes', async (t) => {
  const directory = temporaryDirectory(t);
  const { log } = await openLog(new DiskLogFiles(directory), { segmentBytesMax: 24 + 45 });
  const written = [
    [1, 'first'],
    [2, '\x00\xff\r\n'],
    [255, ''],
    [1, 'of the second segment'],
  ] as const;
  for (const [kind, text] of written) {
    log.append(kind, Buffer.from(text, 'latin1'));
    log.flush();
  }
  await log.close();
  for (const name of [segmentName(0), segmentName(45)]) {
    t.deepEqual(fs.readFileSync(path.join(directory, name)), fs.readFileSync(path.join(golden, 'log', name)), name);
  }
});
