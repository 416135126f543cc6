/** What a simulated disk keeps and forgets, over many seeds: everything that may happen at a crash does, and nothing else. */
import test, { type ExecutionContext } from 'ava';
import { CommitLog } from '../../storage/commit-log.js';
import { StorageError, type Engine, type EngineRange } from '../../storage/engine.js';
import type { LogFile } from '../../storage/log-files.js';
import { SeededRandom } from './random.js';
import { Scheduler, type CrashKind } from './simulated-clock.js';
import { SimulatedDisk } from './simulated-disk.js';

class Machine {
  readonly scheduler = new Scheduler();
  readonly disk: SimulatedDisk;

  constructor(seed: number) {
    this.scheduler.clockFor('a');
    this.disk = new SimulatedDisk(this.scheduler, new SeededRandom(seed), 'a');
  }

  /** The promise's outcome, letting simulated time pass until it is there. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    promise.then(done, done);
    await this.scheduler.runFor(60_000, () => settled);
    if (!settled) throw new Error('did not settle within a minute');
    return promise;
  }

  openLog(name = 'log'): Promise<LogFile> {
    return this.wait(this.disk.logFiles().open(name));
  }

  openEngine(): Promise<Engine> {
    return this.wait(this.disk.openEngine());
  }

  crash(kind: CrashKind): void {
    this.scheduler.crash('a', kind);
    this.scheduler.clockFor('a');
  }
}

const everything: EngineRange = { from: Buffer.alloc(0), to: Buffer.from([255]) };

async function contents(machine: Machine, file: LogFile): Promise<string> {
  return (await machine.wait(file.read(0, 1e6))).toString('latin1');
}

async function keysOf(machine: Machine, engine: Engine): Promise<string> {
  const read = async (): Promise<string> => {
    const keys: string[] = [];
    for await (const chunk of engine.iterate(everything, 2)) keys.push(...chunk.map(([key]) => key.toString()));
    return keys.join('');
  };
  return machine.wait(read());
}

/** A file with 'durable' synced and 'loose' not, after a crash. */
async function crashedLog(seed: number, kind: CrashKind): Promise<string> {
  const machine = new Machine(seed);
  const log = await machine.openLog();
  log.append(Buffer.from('durable'));
  await machine.wait(log.sync());
  log.append(Buffer.from('loose'));
  machine.crash(kind);
  return contents(machine, await machine.openLog());
}

test('a killed process loses nothing that it appended', async (t) => {
  for (let seed = 1; seed <= 20; seed++) t.is(await crashedLog(seed, 'process'), 'durableloose');
});

test('lost power takes unsynced bytes from any point on, and may leave rubbish instead', async (t) => {
  const clean = new Set<string>();
  let torn = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const left = await crashedLog(seed, 'machine');
    t.true(left.startsWith('durable') && left.length <= 'durableloose'.length, left);
    if ('durableloose'.startsWith(left)) clean.add(left);
    else torn++;
  }
  t.deepEqual([...clean].sort(), ['durable', 'durablel', 'durablelo', 'durableloo', 'durableloos', 'durableloose']);
  t.true(torn > 10);
});

test('only what was appended before the sync began is durable; a sync cut short by a crash promises nothing and never settles', async (t) => {
  const sizes = new Set<number>();
  for (let seed = 1; seed <= 40; seed++) {
    const machine = new Machine(seed);
    const log = await machine.openLog();
    log.append(Buffer.from('before'));
    const sync = log.sync();
    log.append(Buffer.from('after'));
    await machine.wait(sync);
    let settled = false;
    const second = (): void => void (settled = true);
    log.sync().then(second, second);
    machine.crash('machine');
    const left = await contents(machine, await machine.openLog());
    t.true(left.startsWith('before'));
    t.false(settled);
    sizes.add(left.length);
  }
  t.true(sizes.has(6) && sizes.size > 3);
});

test('a truncation holds for a killed process; lost power may undo it until it is synced', async (t) => {
  const outcomes = new Set<string>();
  const cut = async (seed: number, kind: CrashKind, sync: boolean): Promise<string> => {
    const machine = new Machine(seed);
    const log = await machine.openLog();
    log.append(Buffer.from('abcdef'));
    await machine.wait(log.sync());
    log.truncate(2);
    t.is(log.size, 2);
    if (sync) await machine.wait(log.sync());
    machine.crash(kind);
    return contents(machine, await machine.openLog());
  };
  for (let seed = 1; seed <= 20; seed++) {
    t.is(await cut(seed, 'process', false), 'ab');
    t.is(await cut(seed, 'machine', true), 'ab');
    outcomes.add(await cut(seed, 'machine', false));
  }
  t.deepEqual([...outcomes].sort(), ['ab', 'abcdef']);
});

/** Whether a file whose removal failed is there after lost power, when `settle` had come before. */
async function isBack(t: ExecutionContext, seed: number, settle: (machine: Machine) => Promise<unknown>): Promise<boolean> {
  const machine = new Machine(seed);
  for (const name of ['removed', 'failed', 'other']) await machine.openLog(name);
  const files = machine.disk.logFiles();
  await machine.wait(files.remove('removed'));
  machine.disk.fail('remove', 1);
  await t.throwsAsync(machine.wait(files.remove('failed')), { name: 'StorageError' });
  await settle(machine);
  machine.crash('machine');
  const names = await machine.wait(machine.disk.logFiles().list());
  t.false(names.includes('removed'));
  return names.includes('failed');
}

test('a removed file is gone; one whose removal failed may be there or not, and be back after lost power until names are durable again', async (t) => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    let wasThere = false;
    const listed = await isBack(t, seed, async (machine) => {
      wasThere = (await machine.wait(machine.disk.logFiles().list())).includes('failed');
    });
    t.is(listed, wasThere);
    t.is(await isBack(t, seed, (machine) => machine.openLog('new')), wasThere);
    t.is(await isBack(t, seed, (machine) => machine.wait(machine.disk.logFiles().remove('other'))), wasThere);
    outcomes.add(`${wasThere ? 'there' : 'gone'}, then ${(await isBack(t, seed, () => Promise.resolve())) ? 'there' : 'gone'}`);
  }
  t.deepEqual([...outcomes].sort(), ['gone, then gone', 'gone, then there', 'there, then there']);
});

test('found by seed 900315: a segment that a start failed to remove does not come back behind what was written in its place', async (t) => {
  let cut = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const machine = new Machine(seed);
    const start = (segmentBytesMax: number): Promise<CommitLog> =>
      machine.wait(
        CommitLog.open(
          machine.disk.logFiles(),
          { clock: machine.scheduler.clockFor('a'), durability: 'os', segmentBytesMax, onRefusal: (error) => t.fail(error.message) },
          0,
          () => undefined,
        ),
      );
    const write = (log: CommitLog, entries: number): void => {
      for (let index = 0; index < entries; index++) {
        log.append(1, Buffer.alloc(40));
        log.flush();
      }
    };
    write(await start(200), 6);
    machine.crash('machine');
    machine.disk.fail('remove', 1);
    const log = await start(10_000).catch((error: unknown) => {
      t.true(error instanceof StorageError, String(error));
      cut++;
      machine.crash('process');
      return start(10_000);
    });
    write(log, 6);
    await machine.wait(log.sync());
    machine.crash('machine');
    await t.notThrowsAsync(start(10_000), `seed ${seed}`);
  }
  t.true(cut > 5, `${cut}`);
});

test('failures on demand: a short append, a failing one, a failing sync, a lost disk', async (t) => {
  const machine = new Machine(1);
  const log = await machine.openLog();
  machine.disk.freeBytes = 3;
  t.is(log.append(Buffer.from('abcde')), 3);
  t.is(log.append(Buffer.from('fg')), 0);
  t.is(log.size, 3);
  log.truncate(1);
  t.is(log.append(Buffer.from('xyz')), 2);
  machine.disk.freeBytes = Infinity;
  machine.disk.fail('append', 1);
  t.throws(() => log.append(Buffer.from('h')), { name: 'StorageError' });
  t.is(log.append(Buffer.from('i')), 1);
  machine.disk.fail('sync', 1);
  await t.throwsAsync(machine.wait(log.sync()), { name: 'StorageError' });
  t.is(await contents(machine, log), 'axyi');
  const engine = await machine.openEngine();
  machine.disk.fail('engine-write', 1);
  const batch = { puts: [[Buffer.from('k'), Buffer.from('v')] as const], deletes: [] };
  await t.throwsAsync(machine.wait(engine.write(batch, { sync: true })), { name: 'StorageError' });
  await machine.wait(engine.write(batch, { sync: true }));
  t.throws(() => machine.disk.lose());
  machine.scheduler.crash('a', 'process');
  machine.disk.lose();
  machine.scheduler.clockFor('a');
  t.deepEqual(await machine.wait(machine.disk.logFiles().list()), []);
  t.is(await keysOf(machine, await machine.openEngine()), '');
});

test('a slow disk is slow', async (t) => {
  const took = async (slowness: number): Promise<number> => {
    const machine = new Machine(1);
    const log = await machine.openLog();
    machine.disk.slow(slowness);
    const fromMs = machine.scheduler.nowMs;
    await machine.wait(log.sync());
    return machine.scheduler.nowMs - fromMs;
  };
  const usual = await took(1);
  t.true(usual > 0.4);
  t.true(Math.abs((await took(50)) / usual - 50) < 0.01);
});

/** Five batches of two keys each, the second one synced, the last one not settled, then a crash; the keys that are there afterwards. */
async function crashedEngine(t: ExecutionContext, seed: number, kind: CrashKind): Promise<string> {
  const machine = new Machine(seed);
  const engine = await machine.openEngine();
  const write = (number: number): Promise<void> => {
    const key = Buffer.from(`${number}a`);
    const puts = [[key, Buffer.from('v')] as const, [Buffer.from(`${number}b`), Buffer.from('v')] as const];
    return engine.write({ puts, deletes: [] }, { sync: number === 2 });
  };
  for (const number of [1, 2, 3, 4]) await machine.wait(write(number));
  t.is(await keysOf(machine, engine), '1a1b2a2b3a3b4a4b');
  void write(5);
  machine.crash(kind);
  return keysOf(machine, await machine.openEngine());
}

for (const kind of ['process', 'machine'] as const) {
  test(`the engine after the end of a ${kind}: whole batches, from the last synced one on`, async (t) => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) outcomes.add(await crashedEngine(t, seed, kind));
    t.deepEqual([...outcomes].sort(), ['1a1b2a2b', '1a1b2a2b3a3b', '1a1b2a2b3a3b4a4b', '1a1b2a2b3a3b4a4b5a5b']);
  });
}

test('the engine: sorted ranges as of the call, replaced and deleted keys, borrowed buffers, one opener', async (t) => {
  const machine = new Machine(1);
  const engine = await machine.openEngine();
  await t.throwsAsync(machine.openEngine(), { name: 'StorageError' });
  const key = Buffer.from('b');
  const value = Buffer.from('1');
  const puts = [
    [key, value],
    [Buffer.from('c'), Buffer.from('2')],
    [Buffer.from([0xff]), Buffer.from('3')],
    [Buffer.from('a'), Buffer.from('4')],
  ] as const;
  await machine.wait(engine.write({ puts, deletes: [] }, { sync: false }));
  key[0] = 0;
  value[0] = 0;
  const snapshot = engine.iterate({ from: Buffer.from('a'), to: Buffer.from('c') }, 1)[Symbol.asyncIterator]();
  await machine.wait(engine.write({ puts: [[Buffer.from('c'), Buffer.from('5')]], deletes: [Buffer.from('a')] }, { sync: false }));
  const found = await machine.wait(engine.getMany(['a', 'b', 'c'].map((name) => Buffer.from(name))));
  t.deepEqual(found.map(String), ['undefined', '1', '5']);
  const seen: string[] = [];
  for (let chunk = await machine.wait(snapshot.next()); chunk.done !== true; chunk = await machine.wait(snapshot.next())) {
    seen.push(chunk.value.map(([name, at]) => `${String(name)}=${String(at)}`).join());
  }
  t.deepEqual(seen, ['a=4', 'b=1']);
  await machine.wait(engine.close());
  await t.throwsAsync(engine.getMany([]), { name: 'StorageError' });
  const again = await machine.openEngine();
  t.is(await keysOf(machine, again), 'bc'); // the range ends before 0xff
});
