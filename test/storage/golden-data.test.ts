/**
 * A data directory that format version 1 wrote, kept in golden/version-1: whatever this version becomes, it has to read it, records in
 * RocksDB, records in the log alone, clocks, promises and facts. And what a newer version wrote is refused by name, untouched.
 *
 * TORC_WRITE_GOLDEN=directory writes such a directory anew, for the first release of a next format; RocksDB's LOG, LOCK, OPTIONS and *.log files are to be
 * removed from it before it is committed.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { decodeBatches } from '../../protocol/batch.js';
import { decodeRecord, versionKind, type VersionedRecord } from '../../protocol/record.js';
import { slotOf } from '../../protocol/slot.js';
import { DataDirectory } from '../../storage/data-directory.js';
import { StorageError } from '../../storage/engine.js';
import { encodeSegmentHeader } from '../../storage/log-segment.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { HandClock, openLog } from './log-fixtures.js';
import { command, encodeBatches, openStore, plainRecord, self, type OpenedStore } from './store-fixtures.js';
import { temporaryDirectory } from './temporary-directory.js';

const golden = fileURLToPath(new URL('../../../test/storage/golden/version-1', import.meta.url));
const peer = 0x2_0001;
const partition = 5;

/** The same instant whenever it is written: the counters are those that the directory holds. */
const clock = (): HandClock => new HandClock();

function set(opened: OpenedStore, key: string, value: string, expiresAtMs = 0): void {
  command(opened, partition, 1, (transaction) => transaction.setString(Buffer.from(key), Buffer.from(value), expiresAtMs));
}

function fromPeer(opened: OpenedStore, counter: number, prev: number, key: string, record: VersionedRecord): void {
  opened.store.applyBatches(encodeBatches([{ partition, dot: { actor: peer, counter }, prev, records: [[key, record]] }]));
}

async function write(target: string): Promise<void> {
  for (const half of ['engine', 'log'] as const) {
    const directory = await DataDirectory.open(target);
    const opened = await openStore(directory.engine, directory.logFiles, { clock: clock() });
    opened.store.promise([partition], { counter: half === 'engine' ? 3 : 4, actor: self });
    opened.store.setFact(`fact in the ${half}`, Buffer.from('yes'));
    set(opened, `${half}:plain`, 'a value');
    set(opened, `${half}:binary \0\xff`, '\0\r\n');
    set(opened, `${half}:expiring`, 'for now', 1_900_000_000_000);
    set(opened, `${half}:deleted`, 'gone');
    command(opened, partition, 1, (transaction) => void transaction.delete(Buffer.from(`${half}:deleted`)));
    set(opened, `${half}:counter`, '40');
    command(opened, partition, 1, (transaction) => void transaction.increment(Buffer.from(`${half}:counter`), 2n));
    set(opened, `${half}:siblings`, 'mine');
    const at = half === 'engine' ? 100 : 200;
    fromPeer(opened, at, at - 100, `${half}:siblings`, plainRecord({ actor: peer, counter: at }, 'theirs', 7));
    fromPeer(opened, at + 20, at + 10, `${half}:ahead`, plainRecord({ actor: peer, counter: at + 20 }, 'beyond a gap'));
    opened.store.endTurn(() => undefined);
    await directory.write({ nodeId: 'golden', life: 3, bootId: 'boot', durability: 'everysec', cleanStop: half === 'engine' });
    if (half === 'engine') await opened.close();
    else await directory.close();
  }
}

function goldenCopy(t: ExecutionContext): string {
  const directory = path.join(temporaryDirectory(t), 'data');
  fs.cpSync(golden, directory, { recursive: true });
  return directory;
}

if (process.env['TORC_WRITE_GOLDEN'] !== undefined) await write(process.env['TORC_WRITE_GOLDEN']);

test('a directory of format version 1 is read whole: from RocksDB, and from the log behind it', async (t) => {
  const directory = await DataDirectory.open(goldenCopy(t));
  t.deepEqual(directory.previous, { nodeId: 'golden', life: 3, bootId: 'boot', durability: 'everysec', cleanStop: false });
  const opened = await openStore(directory.engine, directory.logFiles, { clock: clock() });
  const { store } = opened;
  t.true(store.statistics().dirtyEntries > 0, 'some of it was in the log alone');
  const here = store.partition(partition);
  const shown = async (key: string): Promise<string | undefined> => {
    const name = Buffer.from(key);
    t.is(here.isLoaded(name), false);
    await new Promise<void>((resolve) => {
      store.loader.load(here, name, slotOf(name), resolve);
      store.endTurn(() => undefined);
    });
    const entry = here.get(name.toString('latin1'));
    return entry?.alive === true ? `${entry.bytes.toString()} ${entry.expiresAtMs} ${entry.record?.versions.length}` : undefined;
  };
  for (const half of ['engine', 'log']) {
    t.is(await shown(`${half}:plain`), 'a value 0 1');
    t.is(await shown(`${half}:binary \0\xff`), '\0\r\n 0 1');
    t.is(await shown(`${half}:expiring`), 'for now 1900000000000 1');
    t.is(await shown(`${half}:deleted`), undefined);
    t.is(here.get(`${half}:deleted`)?.record?.context.size, 1, 'the deletion is remembered');
    t.is(await shown(`${half}:counter`), '42 0 1');
    t.is(here.get(`${half}:counter`)?.record?.versions[0]?.kind, versionKind.counter);
    t.is(await shown(`${half}:siblings`), 'theirs 0 2');
    t.is(await shown(`${half}:ahead`), 'beyond a gap 0 1');
    t.is(store.fact(`fact in the ${half}`)?.toString(), 'yes');
  }
  t.deepEqual([...here.expiring].map((entry) => store.table.nameOf(entry)).toSorted(), ['engine:expiring', 'log:expiring']);
  t.is(here.seen.get(peer), 200);
  t.true((here.seen.get(self) ?? 0) > 0);
  t.deepEqual(here.ahead, [{ actor: peer, counter: 220, prev: 210 }]);
  t.deepEqual(here.promised, { counter: 4, actor: self });
  t.true(store.hybridClock.next() > (here.seen.get(self) ?? 0));
  await opened.close();
});

test('a directory whose torc.json is of a newer format is refused, and nothing in it is touched', async (t) => {
  const directory = goldenCopy(t);
  const record = path.join(directory, 'torc.json');
  fs.writeFileSync(record, fs.readFileSync(record, 'utf8').replace('"formatVersion": 1', '"formatVersion": 3'));
  const before = fs.readdirSync(path.join(directory, 'rocksdb'));
  const error = await t.throwsAsync(DataDirectory.open(directory), { instanceOf: StorageError });
  t.is(error.code, 'NEWER_FORMAT');
  t.regex(error.message, /torc\.json has format version 3; this program reads up to 2/);
  t.deepEqual(fs.readdirSync(path.join(directory, 'rocksdb')), before);
});

test('a log segment of a newer format is refused by its number', async (t) => {
  const directory = await DataDirectory.open(goldenCopy(t));
  t.teardown(() => directory.close());
  const names = await directory.logFiles.list();
  const last = path.join(directory.directory, 'log', names.at(-1) ?? '');
  const bytes = fs.readFileSync(last);
  encodeSegmentHeader(Number.parseInt(path.basename(last).slice(4), 16), 2).copy(bytes);
  fs.writeFileSync(last, bytes);
  const error = await t.throwsAsync(openStore(directory.engine, directory.logFiles), { instanceOf: StorageError });
  t.is(error.code, 'NEWER_FORMAT');
  t.regex(error.message, /version 2/);
  t.deepEqual(fs.readFileSync(last), bytes);
});

test('a batch or a record of a newer format is refused by its number, in a frame and in the log', async (t) => {
  const dot = { actor: peer, counter: 5 };
  const bytes = encodeBatches([{ partition, dot, prev: 0, records: [['k', plainRecord(dot, 'v')]] }]);
  bytes[0] = 2;
  t.throws(() => decodeBatches(bytes), { name: 'FormatError', message: /version 2/ });
  t.throws(() => decodeRecord(Buffer.of(9, 0, 0)), { name: 'FormatError', message: /shape 9/ });
  const files = new MemoryLogFiles();
  const { log } = await openLog(files);
  log.append(1, bytes);
  await log.close();
  const error = await t.throwsAsync(openStore(new MemoryEngine(), files));
  t.regex(error.message, /version 2/);
});
