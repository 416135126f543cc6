/**
 * Batches and transfers too large for one turn: in memory at once or at the end, in the log over several turns; a crash before the end leaves nothing of them, one
 * after it all.
 */
import test, { type ExecutionContext } from 'ava';
import type { Bytes } from '../../protocol/gathered-bytes.js';
import { torc } from '../../protocol/generated/messages.js';
import { encodeRecordKey, recordPart, recordType } from '../../protocol/record-key.js';
import { encodeRecord } from '../../protocol/record.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { slotOf } from '../../protocol/slot.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { clockBytes } from '../../storage/partition-clocks.js';
import { HandClock } from './log-fixtures.js';
import { command, encodeBatches, openStore, plainRecord, self, type OpenedStore } from './store-fixtures.js';

const mebibyte = 1024 * 1024;
const key = Buffer.from('large');
const partition = 3;
const peer = 0x2_0001;

interface Disk {
  readonly engine: MemoryEngine;
  readonly files: MemoryLogFiles;
}

const emptyDisk = (): Disk => ({ engine: new MemoryEngine(), files: new MemoryLogFiles() });

async function open(disk: Disk): Promise<OpenedStore & { readonly clock: HandClock }> {
  const clock = new HandClock();
  return { clock, ...(await openStore(disk.engine, disk.files, { clock })) };
}

/** The process is killed: what the next one finds. */
function killed({ engine, files }: Disk): Disk {
  files.kill();
  return { engine: engine.reopened(), files };
}

function valueOf({ store }: OpenedStore): string | undefined {
  const bytes = store.partition(partition).get(key.toString())?.bytes;
  return bytes === undefined ? undefined : `${bytes.length} ${bytes.subarray(0, 3).toString()}${bytes.subarray(-3).toString()}`;
}

/** From the engine, where memory does not have it. */
async function load({ store, clock }: Awaited<ReturnType<typeof open>>): Promise<void> {
  let loaded = false;
  store.loader.load(store.partition(partition), key, slotOf(key), () => (loaded = true));
  store.endTurn(() => undefined);
  while (!loaded) await clock.advance(0);
}

const large = Buffer.from(`abc${'x'.repeat(3 * mebibyte)}xyz`);
const isLarge = `${large.length} abcxyz`;

/** Writes the value as a coordinator does; returns the batch. */
function write(t: ExecutionContext, opened: OpenedStore, bytes: Buffer): Bytes {
  const { store, transaction } = opened;
  const here = store.partition(partition);
  transaction.begin(here, 1, 1000, 2);
  transaction.setString(key, bytes, 0);
  const dot = transaction.batchDot;
  if (dot === undefined) throw new Error('nothing was staged');
  t.true(store.isLarge(transaction));
  return store.writeLargeBatch(here, dot, 1, 1, transaction);
}

test('a large batch is in memory at once, without a copy, and in the log after several turns', async (t) => {
  const disk = emptyDisk();
  const opened = await open(disk);
  const batch = write(t, opened, large);
  t.is(valueOf(opened), isLarge);
  t.is(opened.store.partition(partition).get(key.toString())?.bytes.buffer, large.buffer, 'memory shares the value, and so does the batch');
  t.is(batch.subarray(batch.length / 2, batch.length / 2 + 10).buffer, large.buffer);
  let appended = false;
  opened.store.logLarge(opened.store.partition(partition), batch, () => (appended = true));
  let turns = 0;
  for (; !appended; turns++) {
    // What others write goes to the log in between.
    command(opened, 1, 1000, (transaction) => transaction.setString(Buffer.from(`small ${turns}`), Buffer.from('v'), 0));
    opened.store.endTurn(() => undefined);
    await opened.clock.advance(0);
  }
  t.true(turns >= 12, `${turns} turns`);
  opened.store.endTurn(() => undefined);
  const again = await open(killed(disk));
  t.is(valueOf(again), isLarge);
  t.is(again.store.partition(1).entries.size, turns);
  t.is(again.store.partition(partition).seen.get(self), opened.store.partition(partition).seen.get(self));
});

test('a crash before the last slice leaves nothing of a large batch, and no round of writing behind begins before it', async (t) => {
  const disk = emptyDisk();
  const opened = await open(disk);
  command(opened, 1, 1000, (transaction) => transaction.setString(Buffer.from('small'), Buffer.from('v'), 0));
  opened.store.endTurn(() => undefined);
  opened.store.logLarge(opened.store.partition(partition), write(t, opened, large), () => undefined);
  await opened.clock.advance(0);
  let writtenOut = false;
  void opened.store.writeOut().then(() => (writtenOut = true));
  await opened.clock.advance(0);
  t.is(opened.store.statistics().flushes, 0);
  t.false(writtenOut);
  const again = await open(killed(disk));
  t.is(valueOf(again), undefined);
  t.is(again.store.partition(1).entries.size, 1);
});

test('rounds of writing behind find their place between large batches that follow each other without end', async (t) => {
  const disk = emptyDisk();
  const opened = await open(disk);
  let appended = 0;
  const another = (): void => opened.store.logLarge(opened.store.partition(partition), write(t, opened, large), () => appended++);
  another();
  let written = false;
  for (let turns = 0; !written && turns < 100; turns++) {
    if (turns === 1) void opened.store.writeOut().then(() => (written = true));
    if (turns % 3 === 0) another(); // one takes twelve turns: there is always one waiting
    await opened.clock.advance(0);
  }
  t.true(written);
  t.true(appended > 0);
  const again = await open(killed(disk));
  await load(again);
  t.is(valueOf(again), isLarge);
});

test('small writes over a large value, and a large one over a small', async (t) => {
  const disk = emptyDisk();
  const opened = await open(disk);
  const set = (text: string): void =>
    void command(opened, partition, 1000, (transaction) => transaction.setString(key, Buffer.from(text), 0));
  set('small');
  write(t, opened, large);
  t.is(valueOf(opened), isLarge);
  t.deepEqual(opened.store.partition(partition).get(key.toString())?.keyBytes, key);
  set('again');
  t.is(valueOf(opened), '5 agaain');
  write(t, opened, large);
  command(opened, partition, 1000, (transaction) => t.true(transaction.delete(key)));
  t.false(opened.store.partition(partition).get(key.toString())?.alive);
  write(t, opened, large);
  t.is(valueOf(opened), isLarge);
});

test("a peer's large batch is applied when its last slice is in the log", async (t) => {
  const disk = emptyDisk();
  const opened = await open(disk);
  const dot = { actor: peer, counter: 9 };
  const heard: unknown[] = [];
  const bytes = encodeBatches([{ partition, dot, prev: 0, records: [[key.toString(), plainRecord(dot, large.toString())]] }]);
  let applied = false;
  opened.store.applyLargeBatches(bytes, { applied: (...told) => heard.push(told) }, () => (applied = true));
  t.is(valueOf(opened), undefined);
  while (!applied) await opened.clock.advance(0);
  t.is(valueOf(opened), isLarge);
  t.deepEqual(heard, [[partition, peer, 9, false, false]]);
  t.is(valueOf(await open(killed(disk))), isLarge);
});

test('a large transfer is merged when its slices are in the log, with what was decided of it then', async (t) => {
  const disk = emptyDisk();
  const opened = await open(disk);
  const dot = { actor: peer, counter: 9 };
  const writer = new ByteWriter();
  encodeRecord(writer, plainRecord(dot, large.toString()));
  const encoded = torc.Transfer.encode({
    partition,
    key: [encodeRecordKey(slotOf(key), key, recordType.string, recordPart.value)],
    record: [writer.take()],
    seen: clockBytes(new Map([[peer, 9]])),
    complete: true,
  }).finish();
  for (const complete of [false, true]) {
    const transfer = torc.Transfer.decode(encoded);
    let taken: boolean | undefined;
    opened.store.prepareTransfers([transfer], () => {
      transfer.complete = complete;
      taken = opened.store.applyTransfer(transfer);
    });
    t.is(taken, undefined);
    while (taken === undefined) await opened.clock.advance(0);
    opened.store.endTurn(() => undefined);
    t.true(taken);
    t.is(valueOf(opened), isLarge);
    t.is(opened.store.partition(partition).seen.get(peer), complete ? 9 : undefined);
  }
  const again = await open(killed(disk));
  t.is(valueOf(again), isLarge);
  t.is(again.store.partition(partition).seen.get(peer), 9);
});

test('a small transfer is taken at once', async (t) => {
  const opened = await open(emptyDisk());
  let taken = false;
  opened.store.prepareTransfers([torc.Transfer.decode(torc.Transfer.encode({ partition }).finish())], () => (taken = true));
  t.true(taken);
});

test('a large value is written behind and read again', async (t) => {
  const disk = emptyDisk();
  const opened = await open(disk);
  let appended = false;
  opened.store.logLarge(opened.store.partition(partition), write(t, opened, large), () => (appended = true));
  while (!appended) await opened.clock.advance(0);
  await opened.close();
  const again = await open({ engine: disk.engine.reopened(), files: disk.files });
  await load(again);
  t.is(valueOf(again), isLarge);
});
