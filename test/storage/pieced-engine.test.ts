/** Large records lie in the engine in pieces, and nobody who uses it sees that: whatever is written, read while it is written, or lost with a crash. */
import test from 'ava';
import fc from '../harness/properties.js';
import { StorageError, type EngineRange } from '../../storage/engine.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { PiecedEngine, type LongPut } from '../../storage/pieced-engine.js';
import { HandClock } from './log-fixtures.js';

const pieceBytes = 10;
const text = (value: string): Buffer => Buffer.from(value, 'latin1');
const records: EngineRange = { from: text('e'), to: text('s') };
const everything: EngineRange = { from: Buffer.alloc(0), to: Buffer.alloc(20, 0xff) };

/** Lets the clock's turns go on until it is over. */
async function within<T>(clock: HandClock, work: Promise<T>): Promise<T> {
  let over = false;
  const ended = work.finally(() => (over = true));
  ended.catch(() => undefined);
  while (!over) await clock.advance(0);
  return ended;
}

class Opened {
  private constructor(
    readonly inner: MemoryEngine,
    readonly engine: PiecedEngine,
    private readonly clock: HandClock,
  ) {}

  static async over(inner: MemoryEngine): Promise<Opened> {
    const clock = new HandClock();
    return new Opened(inner, await within(clock, PiecedEngine.over(inner, clock, pieceBytes)), clock);
  }

  write(rows: readonly LongPut[], deletes: readonly Buffer[] = [], sync = false): Promise<void> {
    const isLong = ([row, value, rest]: LongPut): boolean =>
      /^[er]/.test(row.toString('latin1')) && value.length + (rest?.length ?? 0) > this.engine.valueBytesMost;
    const puts = rows.filter((row) => !isLong(row)).map(([row, value]) => [row, value] as const);
    return within(this.clock, this.engine.write({ puts, long: rows.filter(isLong), deletes }, { sync }));
  }

  reopen(): Promise<void> {
    return within(this.clock, this.engine.reopen());
  }

  async read(key: string): Promise<string | undefined> {
    const [value] = await within(this.clock, this.engine.getMany([text(key)]));
    return value?.toString('latin1');
  }

  async rows(range = records, chunkEntries = 2, from: PiecedEngine | MemoryEngine = this.engine): Promise<Map<string, string>> {
    return within(this.clock, rowsOf(from.iterate(range, chunkEntries)));
  }

  /** Rows of pieces, and of what says that there are some. */
  async hiddenRows(): Promise<readonly [pieces: number, splits: number]> {
    const names = [...(await this.rows(everything, 100, this.inner)).keys()];
    return [names.filter((name) => name.startsWith('v')).length, names.filter((name) => name.startsWith('w')).length];
  }

  whole(chunks: ReturnType<PiecedEngine['iterate']>): Promise<Map<string, string>> {
    return within(this.clock, rowsOf(chunks));
  }
}

async function rowsOf(chunks: ReturnType<PiecedEngine['iterate']>): Promise<Map<string, string>> {
  const rows = new Map<string, string>();
  for await (const chunk of chunks) for (const [key, value] of chunk) rows.set(key.toString('latin1'), value.toString('latin1'));
  return rows;
}

const valueOf = (length: number, seed: number): string =>
  Array.from({ length }, (_, i) => String.fromCharCode(1 + ((i * 7 + seed) % 3))).join('');

test('any batches leave what a map of them leaves; what is not visible any more is gone; a crash leaves whole batches', async (t) => {
  const key = fc.constantFrom('e1', 'e2', 'r1', 'r2', 'r3');
  const value = fc.tuple(fc.constantFrom(0, 1, 10, 19, 20, 21, 30, 40, 59), fc.nat(2)).map(([length, seed]) => valueOf(length, seed));
  const batch = fc.record({
    puts: fc.array(fc.tuple(key, value), { maxLength: 3 }),
    deletes: fc.array(key, { maxLength: 2 }),
    sync: fc.boolean(),
    cut: fc.nat(60),
  });
  const property = fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 8 }), fc.nat(1000), async (batches, crash) => {
    let opened = await Opened.over(new MemoryEngine());
    let model = new Map<string, string>();
    const states = [new Map(model)];
    let synced = 0;
    for (const { puts, deletes, sync, cut } of batches) {
      const asked = new Map(puts);
      await opened.write(
        [...asked].map(([name, bytes]): LongPut =>
          bytes.length > 2 * pieceBytes ? [text(name), text(bytes.slice(0, cut)), text(bytes.slice(cut))] : [text(name), text(bytes)],
        ),
        deletes.map(text),
        sync,
      );
      for (const name of deletes) model.delete(name);
      for (const [name, bytes] of asked) model.set(name, bytes);
      states.push(new Map(model));
      if (sync) synced = states.length - 1;
    }
    const check = async (): Promise<void> => {
      t.deepEqual(await opened.rows(), new Map([...model].sort(([x], [y]) => (x < y ? -1 : 1))));
      for (const name of ['e1', 'e2', 'r1', 'r2', 'r3']) t.is(await opened.read(name), model.get(name));
      const long = [...model.values()].filter(({ length }) => length > 2 * pieceBytes);
      t.deepEqual(await opened.hiddenRows(), [long.reduce((sum, { length }) => sum + Math.ceil(length / pieceBytes), 0), long.length]);
    };
    await check();
    const chosen = { integer: (below: number) => crash % below };
    opened = await Opened.over(opened.inner.crashed(chosen));
    const rows = await opened.rows();
    const same = states
      .slice(synced)
      .find((state) => state.size === rows.size && [...state].every(([name, bytes]) => rows.get(name) === bytes));
    if (same === undefined) throw new Error('a crash left what no batch had left');
    model = same;
    await check();
  });
  await fc.assert(property, { numRuns: 300 });
  t.pass();
});

test('a value that is replaced or deleted while it is read is read as it is then', async (t) => {
  const opened = await Opened.over(new MemoryEngine());
  await opened.write([[text('r1'), text(valueOf(50, 1))], [text('r2'), text(valueOf(50, 1))], [text('r3'), text('small')]]); // prettier-ignore
  const chunks = opened.engine.iterate(records, 10);
  await opened.write([[text('r1'), text(valueOf(41, 2))]], [text('r2')]);
  t.deepEqual([...(await opened.whole(chunks))], [['r1', valueOf(41, 2)], ['r3', 'small']]); // prettier-ignore
});

test('after an engine was opened anew large values are what is there, and what a refused batch left of others is gone', async (t) => {
  const opened = await Opened.over(new MemoryEngine());
  await opened.write([[text('e1'), text('old'.repeat(20))]]);
  const { inner } = opened;
  const write = inner.write.bind(inner);
  inner.write = (batch, options) =>
    [...batch.puts].some(([key]) => key.toString('latin1') === 'e1')
      ? Promise.reject(new StorageError('IO', 'refused'))
      : write(batch, options);
  await t.throwsAsync(opened.write([[text('e1'), text('new'.repeat(20))]]), { code: 'IO' });
  t.deepEqual(await opened.hiddenRows(), [12, 2]);
  inner.write = write;
  await opened.reopen();
  t.is(await opened.read('e1'), 'old'.repeat(20));
  t.deepEqual(await opened.hiddenRows(), [6, 1]);
  await opened.write([[text('e1'), text('new'.repeat(20))]]);
  t.is(await opened.read('e1'), 'new'.repeat(20));
  t.deepEqual(await opened.hiddenRows(), [6, 1]);
});

test('other rows are never in pieces, whatever their bytes', async (t) => {
  const opened = await Opened.over(new MemoryEngine());
  const bytes = `\x04${valueOf(18, 0)}`;
  await opened.write([[text('p1'), text(bytes)], [text('h1'), text(valueOf(100, 0))], [text('r1'), text(valueOf(100, 0))]]); // prettier-ignore
  t.is(await opened.read('p1'), bytes);
  t.is(await opened.read('h1'), valueOf(100, 0));
  t.deepEqual(await opened.hiddenRows(), [10, 1]);
});

test('a piece that is lost is DAMAGED', async (t) => {
  const opened = await Opened.over(new MemoryEngine());
  await opened.write([[text('r1'), text(valueOf(50, 0))]]);
  const pieces = [...(await opened.rows(everything, 100, opened.inner)).keys()].filter((name) => name.startsWith('v'));
  await opened.inner.write({ puts: [], deletes: [text(pieces[3] ?? '')] }, { sync: true });
  const error = await t.throwsAsync(opened.read('r1'), { instanceOf: StorageError });
  t.is(error.code, 'DAMAGED');
});
