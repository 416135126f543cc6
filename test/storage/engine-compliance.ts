/** What every engine must do, as one suite; `engine.test.ts` runs it on each. */
import type { ExecutionContext, TestFn } from 'ava';
import fc from '../harness/properties.js';
import { StorageError, type Engine, type EngineRange } from '../../storage/engine.js';

export interface EngineUnderTest {
  readonly engine: Engine;
  /** Closes it and opens what it left. */
  reopen(): Promise<EngineUnderTest>;
  /** Closes it and removes what it left. */
  dispose(): Promise<void>;
}

type Entry = readonly [Buffer, Buffer];

const everything: EngineRange = { from: Buffer.alloc(0), to: Buffer.alloc(40, 0xff) };

async function entriesOf(engine: Engine, range = everything, chunkEntries?: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const chunk of engine.iterate(range, chunkEntries)) entries.push(...chunk);
  return entries;
}

const text = (value: string): Buffer => Buffer.from(value, 'latin1');
const asText = (entries: readonly Entry[]): string[][] => entries.map(([key, value]) => [key.toString('latin1'), value.toString('latin1')]);

export function engineCompliance(test: TestFn, name: string, open: () => Promise<EngineUnderTest>): void {
  const withEngine = (title: string, body: (t: ExecutionContext, under: EngineUnderTest) => Promise<void>): void => {
    test(`${name}: ${title}`, async (t) => {
      const under = await open();
      try {
        await body(t, under);
      } finally {
        await under.dispose();
      }
    });
  };

  withEngine('getMany answers in order, with undefined for what is not there', async (t, { engine }) => {
    await engine.write({ puts: [[text('a'), text('1')], [text('b'), Buffer.alloc(0)]], deletes: [] }, { sync: false }); // prettier-ignore
    t.deepEqual(await engine.getMany([text('b'), text('x'), text('a'), text('a')]), [Buffer.alloc(0), undefined, text('1'), text('1')]);
    t.deepEqual(await engine.getMany([]), []);
  });

  withEngine('a batch deletes first and puts then, and an empty one is fine', async (t, { engine }) => {
    await engine.write({ puts: [[text('a'), text('1')], [text('b'), text('1')]], deletes: [] }, { sync: false }); // prettier-ignore
    await engine.write({ puts: [[text('b'), text('2')]], deletes: [text('a'), text('b'), text('never there')] }, { sync: true });
    await engine.write({ puts: [], deletes: [] }, { sync: true });
    await engine.write({ puts: [], deletes: [] }, { sync: false });
    t.deepEqual(asText(await entriesOf(engine)), [['b', '2']]);
  });

  withEngine('keys sort as unsigned bytes; a range includes `from` and excludes `to`', async (t, { engine }) => {
    const keys = ['\xff', '\x80', '\x7f', 'a', 'a\x00', 'aa', '\x00'].map(text);
    await engine.write({ puts: keys.map((key) => [key, key] as const), deletes: [] }, { sync: false });
    const sorted = [...keys].sort((left, right) => Buffer.compare(left, right)).map((key) => key.toString('latin1'));
    const keysIn = async (from: string, to: string): Promise<string[]> =>
      (await entriesOf(engine, { from: text(from), to: text(to) })).map(([key]) => key.toString('latin1'));
    t.deepEqual(await keysIn('', '\xff\xff'), sorted);
    t.deepEqual(await keysIn('a', 'aa'), ['a', 'a\x00']);
    t.deepEqual(await keysIn('aa', 'a'), []);
    t.deepEqual(await keysIn('a', 'a'), []);
    t.deepEqual(await keysIn('', ''), []);
  });

  withEngine('a range backwards is the same range, from its other end', async (t, { engine }) => {
    const puts = Array.from({ length: 25 }, (_, index) => [Buffer.from([index]), Buffer.alloc(3, index)] as const);
    await engine.write({ puts, deletes: [] }, { sync: false });
    const range = { from: Buffer.from([5]), to: Buffer.from([20]) };
    for (const chunkEntries of [1, 4, 100]) {
      const keys: number[] = [];
      for await (const chunk of engine.iterate(range, chunkEntries, true)) keys.push(...chunk.map(([key]) => key[0] as number));
      t.deepEqual(
        keys,
        Array.from({ length: 15 }, (_, i) => 19 - i),
      );
    }
  });

  withEngine('chunks hold at most what was asked for', async (t, { engine }) => {
    const puts = Array.from({ length: 25 }, (_, index) => [Buffer.from([index]), Buffer.alloc(3, index)] as const);
    await engine.write({ puts, deletes: [] }, { sync: false });
    for (const chunkEntries of [1, 7, 25, 100]) {
      const sizes: number[] = [];
      for await (const chunk of engine.iterate(everything, chunkEntries)) sizes.push(chunk.length);
      t.is(
        sizes.reduce((sum, size) => sum + size, 0),
        25,
      );
      t.true(sizes.every((size) => size >= 1 && size <= chunkEntries));
    }
  });

  withEngine('of large values a chunk holds few, however many may be in it', async (t, { engine }) => {
    const puts = Array.from({ length: 20 }, (_, index) => [Buffer.from([index]), Buffer.alloc(200_000, index)] as const);
    await engine.write({ puts, deletes: [] }, { sync: false });
    for (const backwards of [false, true]) {
      const keys: number[] = [];
      for await (const chunk of engine.iterate(everything, 1000, backwards)) {
        t.true(chunk.length <= 2, `${chunk.length}`);
        keys.push(...chunk.map(([key]) => key[0] as number));
      }
      t.deepEqual(backwards ? keys.reverse() : keys, Array.from(puts.keys()));
    }
  });

  withEngine('an iteration that is left after some chunks has an end, and the engine closes', async (t, { engine }) => {
    const puts = Array.from({ length: 1000 }, (_, index) => [Buffer.from(String(index).padStart(4, '0')), Buffer.alloc(100)] as const);
    await engine.write({ puts, deletes: [] }, { sync: false });
    for (const chunks of [1, 2, 3, 5]) {
      let seen = 0;
      for await (const chunk of engine.iterate(everything, 10)) if ((seen += chunk.length) === 10 * chunks) break;
      t.is(seen, 10 * chunks);
    }
    await engine.reopen(); // waits for all of them
    t.is((await entriesOf(engine)).length, 1000);
    await engine.close();
    await t.throwsAsync(entriesOf(engine), { instanceOf: StorageError });
  });

  withEngine('an iteration sees the moment of its call, and may be left early', async (t, { engine }) => {
    await engine.write({ puts: [[text('a'), text('1')], [text('b'), text('1')]], deletes: [] }, { sync: false }); // prettier-ignore
    const iteration = engine.iterate(everything, 1);
    await engine.write({ puts: [[text('b'), text('2')], [text('c'), text('2')]], deletes: [text('a')] }, { sync: false }); // prettier-ignore
    const seen: Entry[] = [];
    for await (const chunk of iteration) seen.push(...chunk);
    t.deepEqual(asText(seen), [['a', '1'], ['b', '1']]); // prettier-ignore
    for await (const chunk of engine.iterate(everything, 1)) {
      t.deepEqual(asText(chunk), [['b', '2']]);
      break;
    }
  });

  withEngine('buffers are borrowed by write, and owned by the caller of a read', async (t, { engine }) => {
    const key = text('key');
    const value = text('value');
    await engine.write({ puts: [[key, value]], deletes: [] }, { sync: false });
    key.fill(0);
    value.fill(0);
    const [read] = await engine.getMany([text('key')]);
    t.deepEqual(read, text('value'));
    read?.fill(0);
    t.deepEqual(asText(await entriesOf(engine)), [['key', 'value']]);
  });

  withEngine('pending calls settle before a close; later ones reject', async (t, { engine }) => {
    const write = engine.write({ puts: [[text('a'), text('1')]], deletes: [] }, { sync: true });
    const read = engine.getMany([text('a')]);
    const close = engine.close();
    await t.notThrowsAsync(write);
    await t.notThrowsAsync(read);
    await close;
    await engine.close();
    await t.throwsAsync(engine.getMany([text('a')]), { instanceOf: StorageError });
    await t.throwsAsync(engine.write({ puts: [], deletes: [] }, { sync: false }), { instanceOf: StorageError });
    await t.throwsAsync(entriesOf(engine), { instanceOf: StorageError });
  });

  test(`${name}: any batches leave what a map of them leaves, also after reopening`, async (t) => {
    const key = fc.uint8Array({ minLength: 1, maxLength: 3 }).map((bytes) => Buffer.from(bytes.map((byte) => byte & 0x83)));
    const value = fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes));
    const batch = fc.record({
      puts: fc.array(fc.tuple(key, value), { maxLength: 8 }),
      deletes: fc.array(key, { maxLength: 4 }),
      sync: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 12 }), async (batches) => {
        let under = await open();
        try {
          const model = new Map<string, Buffer>();
          for (const { puts, deletes, sync } of batches) {
            await under.engine.write({ puts, deletes }, { sync });
            for (const deleted of deletes) model.delete(deleted.toString('latin1'));
            for (const [put, bytes] of puts) model.set(put.toString('latin1'), bytes);
          }
          const expected = [...model]
            .sort(([left], [right]) => (left < right ? -1 : 1))
            .map(([stored, bytes]): Entry => [text(stored), bytes]);
          t.deepEqual(await entriesOf(under.engine, everything, 3), expected);
          under = await under.reopen();
          t.deepEqual(await entriesOf(under.engine), expected);
        } finally {
          await under.dispose();
        }
      }),
      { numRuns: 25 },
    );
  });
}
