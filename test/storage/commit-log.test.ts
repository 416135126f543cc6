import test from 'ava';
import fc from '../harness/properties.js';
import { StorageError } from '../../storage/engine.js';
import { encodeSegmentHeader, entryHeaderBytes, segmentHeaderBytes, segmentName } from '../../storage/log-segment.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { HandClock, openLog, seededRandom, settled, type OpenedLog } from './log-fixtures.js';

const payload = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Appends and flushes each text as a turn of its own; returns their positions. */
function appendAll({ log }: OpenedLog, texts: readonly string[], kind = 1): number[] {
  return texts.map((text) => {
    const position = log.append(kind, payload(text));
    log.flush();
    return position;
  });
}

test('what is appended is read back in order, with kinds and positions, from any entry on', async (t) => {
  const files = new MemoryLogFiles();
  const first = await openLog(files);
  const positions = [
    first.log.append(1, payload('one')),
    first.log.append(255, payload('')),
    first.log.append(7, payload('x'.repeat(200_000))),
  ];
  t.is(first.log.endPosition, 3 * entryHeaderBytes + 3 + 200_000);
  t.is(files.contents(segmentName(0))?.length, segmentHeaderBytes, 'appending does no IO');
  first.log.flush();
  await first.log.close();

  const second = await openLog(files);
  t.deepEqual(
    second.entries.map(({ kind, payload: text, position }) => [kind, text.length, position]),
    [
      [1, 3, positions[0]],
      [255, 0, positions[1]],
      [7, 200_000, positions[2]],
    ],
  );
  t.is(second.log.endPosition, first.log.endPosition);
  t.is(second.log.tornBytes, 0);
  t.deepEqual((await openLog(files, {}, positions[1])).entries.map(({ kind }) => kind), [255, 7]); // prettier-ignore
  t.deepEqual((await openLog(files, {}, first.log.endPosition)).entries, []);
});

test('the payload is copied when it is appended', async (t) => {
  const files = new MemoryLogFiles();
  const { log } = await openLog(files);
  const borrowed = payload('before');
  log.append(1, borrowed);
  borrowed.fill(0);
  log.flush();
  t.is((await openLog(files)).entries[0]?.payload, 'before');
});

test('entries larger than the reading chunk and than a segment, and thousands of small ones, survive segments', async (t) => {
  const files = new MemoryLogFiles();
  const texts = Array.from({ length: 3000 }, (_, index) => `${index}`.repeat(index % 40));
  texts.splice(1500, 0, 'y'.repeat(3 << 20));
  const first = await openLog(files, { segmentBytesMax: 16 << 10 });
  for (const text of texts) {
    first.log.append(1, payload(text));
    first.log.flush();
    if (text.length % 7 === 0) await settled();
  }
  const names = await files.list();
  t.true(names.length > 3, names.join());
  const second = await openLog(files);
  t.true(second.entries.every((entry, index) => entry.payload === texts[index]));
  t.is(second.entries.length, texts.length);
  const half = second.entries[2000]?.position ?? 0;
  t.is((await openLog(files, {}, half)).entries.length, texts.length - 2000);
});

test('a tail torn at every byte of the last entries is cut, and the log goes on after it', async (t) => {
  const files = new MemoryLogFiles();
  const first = await openLog(files);
  const texts = ['kept', 'also kept', 'the last but one', 'the last'];
  const positions = appendAll(first, texts);
  const whole = files.contents(segmentName(0)) ?? Buffer.alloc(0);
  const ends = [...positions.slice(1), first.log.endPosition].map((position) => position + segmentHeaderBytes);
  for (let size = 0; size <= whole.length; size++) {
    const torn = new MemoryLogFiles();
    torn.plant(segmentName(0), whole.subarray(0, size));
    const opened = await openLog(torn);
    const kept = ends.filter((end) => end <= size).length;
    t.is(opened.entries.length, kept, `cut at ${size}`);
    t.is(opened.log.tornBytes, size - (size < segmentHeaderBytes ? 0 : (ends[kept - 1] ?? segmentHeaderBytes)), `cut at ${size}`);
    appendAll(opened, ['new']);
    t.deepEqual(
      (await openLog(torn)).entries.map((entry) => entry.payload),
      [...texts.slice(0, kept), 'new'],
    );
  }
});

test('any bytes after the last entry are a torn tail', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (rubbish) => {
      const files = new MemoryLogFiles();
      appendAll(await openLog(files), ['one', 'two']);
      files.plant(segmentName(0), Buffer.concat([files.contents(segmentName(0)) ?? Buffer.alloc(0), rubbish]));
      const opened = await openLog(files);
      t.is(opened.entries.length, 2);
      t.is(opened.log.tornBytes, rubbish.length);
    }),
  );
});

test('any bit flipped before the last entry is DAMAGED, naming file and offset', async (t) => {
  const files = new MemoryLogFiles();
  const first = await openLog(files);
  const positions = appendAll(first, ['one', 'the second', 'three']);
  const whole = files.contents(segmentName(0)) ?? Buffer.alloc(0);
  const lastOffset = (positions[2] ?? 0) + segmentHeaderBytes;
  for (let offset = 0; offset < lastOffset; offset++) {
    const bytes = Buffer.from(whole);
    bytes.writeUInt8(bytes.readUInt8(offset) ^ (1 << (offset % 8)), offset);
    const damaged = new MemoryLogFiles();
    damaged.plant(segmentName(0), bytes);
    const error = await t.throwsAsync(openLog(damaged), { instanceOf: StorageError }, `flipped at ${offset}`);
    t.is(error?.code, 'DAMAGED');
    const bad = offset < segmentHeaderBytes ? 0 : segmentHeaderBytes + (positions.filter((position) => position + segmentHeaderBytes <= offset).at(-1) ?? 0); // prettier-ignore
    t.true(error?.message.includes(`${segmentName(0)} at offset ${bad}:`), error?.message);
  }
});

test('an intact entry at a wrong place is not an entry', async (t) => {
  const files = new MemoryLogFiles();
  const first = await openLog(files);
  const [, second = 0, third = 0] = appendAll(first, ['aaaa', 'bbbb', 'cccc']);
  const whole = files.contents(segmentName(0)) ?? Buffer.alloc(0);
  const offset = segmentHeaderBytes + second;
  whole.copy(whole, segmentHeaderBytes + third, offset, offset + entryHeaderBytes + 4);
  files.plant(segmentName(0), whole);
  const opened = await openLog(files);
  t.deepEqual(opened.entries.map((entry) => entry.payload), ['aaaa', 'bbbb']); // prettier-ignore
});

/** A log of at least five synced segments. */
async function segmentedLog(): Promise<{ files: MemoryLogFiles; names: readonly string[]; opened: OpenedLog }> {
  const files = new MemoryLogFiles();
  const opened = await openLog(files, { segmentBytesMax: 200, durability: 'always' });
  for (let index = 0; index < 30; index++) {
    appendAll(opened, [`entry number ${index}`]);
    await opened.log.sync();
  }
  return { files, names: await files.list(), opened };
}

test('a missing, a torn or a damaged segment before the last is DAMAGED', async (t) => {
  const { files, names } = await segmentedLog();
  t.true(names.length >= 5);
  for (const [index, name] of names.slice(0, -1).entries()) {
    const whole = files.contents(name) ?? Buffer.alloc(0);
    const flipped = Buffer.from(whole);
    flipped.writeUInt8(flipped.readUInt8(whole.length - 1) ^ 1, whole.length - 1);
    for (const bytes of [whole.subarray(0, whole.length - 1), whole.subarray(0, 3), flipped, undefined]) {
      const damaged = new MemoryLogFiles();
      for (const other of names) damaged.plant(other, files.contents(other) ?? Buffer.alloc(0));
      if (bytes === undefined) await damaged.remove(name);
      else damaged.plant(name, bytes);
      const error = await t.throwsAsync(openLog(damaged), { instanceOf: StorageError }, `segment ${index}`);
      t.is(error?.code, 'DAMAGED', error?.message);
    }
  }
});

test('one rotten byte anywhere in a synced log is DAMAGED, or costs the last entry alone', async (t) => {
  const { files, names, opened } = await segmentedLog();
  await opened.log.close();
  const all = (await openLog(files)).entries;
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), async (segment, place, flip) => {
      const name = names[segment % names.length] ?? '';
      const rotten = new MemoryLogFiles();
      for (const other of names) rotten.plant(other, files.contents(other) ?? Buffer.alloc(0));
      const bytes = files.contents(name) ?? Buffer.alloc(0);
      const offset = place % bytes.length;
      bytes.writeUInt8(bytes.readUInt8(offset) ^ flip, offset);
      rotten.plant(name, bytes);
      try {
        const { entries } = await openLog(rotten);
        t.true(entries.length >= all.length - 1, `${name} at ${offset}`);
        t.deepEqual(entries, all.slice(0, entries.length));
      } catch (error) {
        t.is(error instanceof StorageError && error.code, 'DAMAGED');
      }
    }),
    { numRuns: 300 },
  );
});

test('damage before the position to replay from is not looked at; a log that is gone is DAMAGED', async (t) => {
  const { files, names, opened } = await segmentedLog();
  files.plant(names[0] ?? '', Buffer.from('rubbish'));
  t.true((await openLog(files, {}, Number.parseInt(names[2]?.slice(4) ?? '', 16))).entries.length > 5);
  const error = await t.throwsAsync(openLog(new MemoryLogFiles(), {}, opened.log.endPosition), { instanceOf: StorageError });
  t.is(error?.code, 'DAMAGED');
});

test('a log that ends before the position to replay from is begun anew there', async (t) => {
  const files = new MemoryLogFiles();
  appendAll(await openLog(files), ['lost to a crash that the engine survived']);
  const opened = await openLog(files, {}, 1000);
  t.deepEqual(opened.entries, []);
  t.is(opened.log.endPosition, 1000);
  t.deepEqual(await files.list(), [segmentName(1000)]);
  appendAll(opened, ['new']);
  t.deepEqual((await openLog(files, {}, 1000)).entries, [{ kind: 1, payload: 'new', position: 1000 }]);
});

test('dropBefore removes whole segments and never the active one', async (t) => {
  const { files, names, opened } = await segmentedLog();
  const third = Number.parseInt(names[2]?.slice(4) ?? '', 16);
  await opened.log.dropBefore(third - 1);
  t.deepEqual(await files.list(), names.slice(1));
  await opened.log.dropBefore(third);
  t.deepEqual(await files.list(), names.slice(2));
  t.is(opened.log.keptBytes, opened.log.endPosition - third);
  await opened.log.dropBefore(opened.log.endPosition);
  t.deepEqual(await files.list(), names.slice(-1));
  t.is((await openLog(files, {}, third).catch((error: StorageError) => error.code)) as unknown, 'DAMAGED');
});

test('`os` and `everysec` call back in the flush; `everysec` syncs within a second, and only when there is something to sync', async (t) => {
  for (const durability of ['os', 'everysec'] as const) {
    const clock = new HandClock();
    const { log } = await openLog(new MemoryLogFiles(), { durability, clock });
    const events: string[] = [];
    log.whenDurable(() => events.push('nothing yet'));
    t.deepEqual(events, ['nothing yet']);
    log.append(1, payload('a'));
    log.whenDurable(() => events.push('a'));
    t.is(events.length, 1);
    log.flush();
    t.deepEqual(events, ['nothing yet', 'a']);
    t.is(clock.timers, durability === 'os' ? 0 : 1);
    await clock.advance(999);
    t.is(log.syncs, 0);
    await clock.advance(1);
    t.is(log.syncs, durability === 'os' ? 0 : 1);
    t.is(clock.timers, 0);
    await log.close();
  }
});

test('`always` calls back after the sync that covers it; one sync at a time, and the next covers all that came meanwhile', async (t) => {
  const clock = new HandClock();
  const opening = openLog(new MemoryLogFiles({ clock, syncMs: 5 }), { durability: 'always', clock });
  await settled();
  await clock.advance(5);
  const { log } = await opening;
  const events: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    log.append(1, payload(name));
    log.whenDurable(() => events.push(name));
    log.flush();
  }
  t.is(log.syncs, 1);
  await clock.advance(5);
  t.deepEqual(events, ['a']);
  t.is(log.syncs, 2);
  await clock.advance(5);
  t.deepEqual(events, ['a', 'b', 'c']);
  t.is(log.syncs, 2);
  log.whenDurable(() => events.push('at once'));
  t.is(events.at(-1), 'at once');
});

/** What a log that is opened on the same files finds. */
const found = async (files: MemoryLogFiles): Promise<string[]> => (await openLog(files)).entries.map((entry) => entry.payload);

test('a short append is truncated back, and what is appended from then on waits, until the disk takes it in a new segment', async (t) => {
  const files = new MemoryLogFiles();
  const opened = await openLog(files);
  const { log } = opened;
  appendAll(opened, ['kept']);
  const before = files.contents(segmentName(0));
  files.freeBytes = 10;
  log.append(1, payload('too long for the disk'));
  let called = 0;
  log.whenDurable(() => called++);
  log.flush();
  t.is(opened.failures[0]?.code, 'IO');
  t.deepEqual(files.contents(segmentName(0)), before);
  log.append(1, payload('more'));
  log.flush();
  log.flush();
  await t.throwsAsync(log.sync(), { is: opened.failures[0] as StorageError });
  await t.throwsAsync(log.renew(), { code: 'IO' }, 'there is no room yet');
  t.is(opened.failures.length, 1, 'told once');
  t.is(called, 0);
  files.freeBytes = 1000;
  await log.renew();
  t.is(log.refusal, undefined);
  t.is(log.waitingBytes, 0);
  t.is(called, 0, 'nobody knows what became of the old segment');
  log.whenDurable(() => called++);
  log.append(1, payload('after'));
  log.flush();
  t.is(called, 0);
  log.vouch();
  t.is(called, 2);
  files.kill();
  t.deepEqual(await found(files), ['kept', 'too long for the disk', 'more', 'after']);
});

test('a log that refuses can be closed, and what waited was never there', async (t) => {
  const files = new MemoryLogFiles();
  const opened = await openLog(files);
  appendAll(opened, ['kept']);
  files.freeBytes = 10;
  opened.log.append(1, payload('too long for the disk'));
  opened.log.flush();
  await t.throwsAsync(opened.log.close(), { is: opened.failures[0] as StorageError });
  t.throws(() => opened.log.append(1, payload('x')), { code: 'IO' });
  files.freeBytes = 1000;
  t.deepEqual(await found(files), ['kept']);
});

test('after a failed sync nothing counts as durable before the engine vouches, whatever later syncs say', async (t) => {
  const files = new MemoryLogFiles();
  const opened = await openLog(files, { durability: 'always' });
  const { log } = opened;
  const failure = new StorageError('IO', 'the disk is gone');
  files.syncFailure = failure;
  const called: string[] = [];
  for (const text of ['a', 'b']) {
    log.append(1, payload(text));
    log.whenDurable(() => called.push(text));
    log.flush();
  }
  await settled();
  t.deepEqual(opened.failures, [failure]);
  await t.throwsAsync(log.sync(), { is: failure });
  await t.throwsAsync(log.renew(), { is: failure });
  files.syncFailure = undefined;
  log.append(1, payload('c'));
  log.whenDurable(() => called.push('c'));
  await log.renew();
  await log.sync();
  log.append(1, payload('d'));
  log.whenDurable(() => called.push('d'));
  await log.sync();
  t.deepEqual(called, []);
  log.vouch();
  t.deepEqual(called, ['a', 'b', 'c', 'd']);
  t.deepEqual(await files.list(), [segmentName(0), segmentName(log.endPosition - 2 * (entryHeaderBytes + 1))]);
  files.kill();
  t.deepEqual(await found(files), ['a', 'b', 'c', 'd']);
});

test('what a sync has brought to the disk is told of to nobody while what came after it is refused: memory shows both', async (t) => {
  const clock = new HandClock();
  const files = new MemoryLogFiles({ clock, syncMs: 5 });
  const opening = openLog(files, { durability: 'always', clock });
  await settled();
  await clock.advance(5);
  const { log } = await opening;
  const called: string[] = [];
  log.append(1, payload('synced'));
  log.whenDurable(() => called.push('synced'));
  log.flush();
  files.freeBytes = 0;
  log.append(1, payload('refused'));
  log.flush();
  t.is(log.refusals, 1);
  await clock.advance(5);
  t.deepEqual(called, []);
  files.freeBytes = 1000;
  const renewing = log.renew();
  for (let i = 0; i < 3; i++) await clock.advance(5);
  await renewing;
  log.vouch();
  for (let i = 0; i < 3; i++) await clock.advance(5);
  t.deepEqual(called, ['synced']);
  t.is(log.refusals, 1);
});

test('wherever a renewal is cut short, the next one takes all that waits, once', async (t) => {
  for (let room = 0; room < 80; room += 7) {
    const files = new MemoryLogFiles();
    const opened = await openLog(files, { segmentBytesMax: 60 });
    const { log } = opened;
    appendAll(opened, ['kept', 'and this']);
    files.freeBytes = 3;
    log.append(1, payload('first'));
    log.flush();
    files.freeBytes = room;
    await log.renew().catch(() => undefined);
    log.append(1, payload('second'));
    log.flush();
    files.freeBytes = 1000;
    await log.renew();
    log.flush();
    await log.sync();
    log.vouch();
    files.kill();
    t.deepEqual(await found(files), ['kept', 'and this', 'first', 'second'], `${room} bytes`);
  }
});

test('a newer format version is NEWER_FORMAT', async (t) => {
  const files = new MemoryLogFiles();
  files.plant(segmentName(0), Buffer.concat([encodeSegmentHeader(0, 2), Buffer.from('whatever version 2 has here')]));
  const error = await t.throwsAsync(openLog(files), { instanceOf: StorageError });
  t.is(error?.code, 'NEWER_FORMAT');
  t.regex(error?.message ?? '', /version 2; .* up to 1/);
});

test('after a crash at any moment the log opens, has all it called durable under `always`, and a prefix of what was appended', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.constantFrom('always', 'everysec', 'os'), fc.boolean(), async (seed, durability, onlyKilled) => {
      const random = seededRandom(seed);
      const clock = new HandClock();
      const files = new MemoryLogFiles({ clock, syncMs: 5 });
      const all: string[] = [];
      let before: readonly string[] = [];
      for (let life = 0; life < 4; life++) {
        const opening = openLog(files, { durability, clock, segmentBytesMax: 300 });
        for (let round = 0; round < 20; round++) await clock.advance(5);
        const { log, entries, failures } = await opening;
        t.deepEqual(entries.map((entry) => entry.payload), before); // prettier-ignore
        all.splice(0, all.length, ...before);
        let flushed = all.length;
        let durable = all.length;
        for (let steps = random.integer(60); steps > 0; steps--) {
          const count = random.integer(3);
          for (let index = 0; index < count; index++) {
            all.push(`life ${life} entry ${all.length} ${'.'.repeat(random.integer(60))}`);
            log.append(1, payload(all.at(-1) ?? ''));
          }
          const upTo = all.length;
          log.whenDurable(() => (durable = upTo));
          log.flush();
          flushed = all.length;
          if (random.integer(2) === 0) await clock.advance(random.integer(12));
        }
        t.deepEqual(failures, []);
        if (onlyKilled) files.kill();
        else files.crash(random);
        // The dead process's timers belong to nobody now.
        const reading = openLog(files, { clock });
        for (let round = 0; round < 20; round++) await clock.advance(5);
        const after = await reading;
        before = after.entries.map((entry) => entry.payload);
        files.kill();
        t.deepEqual(before, all.slice(0, before.length));
        if (onlyKilled) t.is(before.length, flushed);
        if (durability === 'always') t.true(before.length >= durable, `${before.length} of ${durable}`);
      }
    }),
    { numRuns: 150 },
  );
});
