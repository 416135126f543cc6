/**
 * A store comes back from a disk that refused writes: its engine is opened anew when nothing is on its way to it, what the disk refuses meanwhile is told of to nobody,
 * and only what comes after the refusal counts against the memory for it.
 */
import test, { type ExecutionContext } from 'ava';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import type { Durability } from '../../storage/commit-log.js';
import { HandClock, settled } from './log-fixtures.js';
import { command, openStore, type OpenedStore } from './store-fixtures.js';

const mebibyte = 1024 * 1024;

/** An engine whose writes, or being opened anew, wait until they are let go on. */
class GatedEngine extends MemoryEngine {
  readonly events: string[] = [];
  private gates: (() => void)[] = [];
  gated: 'write' | 'reopen' | undefined;
  writing = 0;

  private async pass(operation: 'write' | 'reopen'): Promise<void> {
    if (this.gated === operation) await new Promise<void>((resolve) => this.gates.push(resolve));
  }

  letGo(gated?: 'reopen'): void {
    this.gated = gated;
    for (const resolve of this.gates.splice(0)) resolve();
  }

  override async write(...[batch, options]: Parameters<MemoryEngine['write']>): Promise<void> {
    this.writing++;
    this.events.push('write');
    await this.pass('write');
    await super.write(batch, options);
    this.writing--;
  }

  override async reopen(): Promise<void> {
    this.events.push(`opened anew, ${this.writing} writes under way`);
    await this.pass('reopen');
    this.events.push('open');
  }
}

interface Fixture extends OpenedStore {
  readonly clock: HandClock;
  readonly files: MemoryLogFiles;
  readonly engine: GatedEngine;
}

async function fixture(durability: Durability = 'os'): Promise<Fixture> {
  const clock = new HandClock();
  const files = new MemoryLogFiles();
  const engine = new GatedEngine();
  return { clock, files, engine, ...(await openStore(engine, files, { clock, durability })) };
}

function write(opened: OpenedStore, key: string, value: string | Buffer = 'v', partition = 0): void {
  command(opened, partition, 1, (transaction) => transaction.setString(Buffer.from(key), Buffer.from(value), 0));
}

async function turns(opened: Fixture, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    opened.store.endTurn(() => undefined);
    await opened.clock.advance(0);
  }
}

/** The disk refuses what is written now. */
async function refuse(t: ExecutionContext, opened: Fixture): Promise<void> {
  opened.files.freeBytes = 0;
  write(opened, 'refused');
  await turns(opened, 1);
  t.true(opened.store.isHeld);
}

async function mended(t: ExecutionContext, opened: Fixture): Promise<void> {
  for (let i = 0; i < 5 && opened.store.trouble.reason !== undefined; i++) {
    await opened.clock.advance(1000);
    await turns(opened, 20);
  }
  t.is(opened.store.trouble.reason, undefined);
}

test('the engine is not opened anew while a round of writing behind is on its way to it', async (t) => {
  const opened = await fixture();
  const { store, engine, files, clock } = opened;
  write(opened, 'k');
  await turns(opened, 1);
  engine.gated = 'write';
  await clock.advance(60_000);
  await turns(opened, 5);
  t.is(engine.writing, 1, 'of the round');
  await refuse(t, opened);
  files.freeBytes = Infinity;
  await clock.advance(1000);
  await turns(opened, 5);
  t.false(store.isHeld);
  t.deepEqual(engine.events, ['write']);
  engine.letGo();
  await mended(t, opened);
  t.deepEqual(engine.events.slice(0, 3), ['write', 'opened anew, 0 writes under way', 'open']);
  t.is(store.statistics().dirtyEntries, 0);
});

test('nor while hints are, and no round begins before it is open', async (t) => {
  const opened = await fixture();
  const { store, engine, files, clock } = opened;
  store.hints.keep(2, 0, 0, Buffer.from('a hint'));
  await turns(opened, 1);
  engine.gated = 'write';
  const hintsWritten = store.hints.writeOut();
  await settled();
  t.is(engine.writing, 1);
  await refuse(t, opened);
  files.freeBytes = Infinity;
  await clock.advance(1000);
  await turns(opened, 5);
  t.deepEqual(engine.events, ['write']);
  engine.letGo('reopen');
  await hintsWritten;
  await turns(opened, 5);
  t.is(engine.events.at(-1), 'opened anew, 0 writes under way');
  const asked = store.writeOut(); // as a comparison that drops what was forgotten does
  await turns(opened, 5);
  t.is(engine.events.at(-1), 'opened anew, 0 writes under way');
  engine.letGo();
  let isWritten = false;
  void asked.then(() => (isWritten = true));
  for (let i = 0; i < 50 && !isWritten; i++) await turns(opened, 1);
  t.true(isWritten);
  await mended(t, opened);
});

test('what came while the disk was tried, and was refused then, is still told of to nobody', async (t) => {
  const opened = await fixture();
  const { store, files, clock } = opened;
  await refuse(t, opened);
  files.freeBytes = Infinity;
  const open = files.open.bind(files);
  files.open = async (name) => {
    const file = await open(name);
    const sync = file.sync.bind(file);
    file.sync = async () => {
      await sync();
      // The new segment has what waited. Now this comes, and there is no room for it.
      files.freeBytes = 0;
      write(opened, 'late', 'v', 1);
      store.endTurn(() => t.fail('nobody is sent it'));
    };
    return file;
  };
  await clock.advance(1000);
  await turns(opened, 5);
  files.open = open;
  t.true(store.isHeld);
  t.true(store.isUnlogged(store.partition(1)));
  files.freeBytes = Infinity;
  await mended(t, opened);
  t.false(store.isUnlogged(store.partition(1)));
});

test('a refusal while the engine gets what it lacks leaves all that waits for its durability waiting', async (t) => {
  const opened = await fixture('always');
  const { store, engine, files, clock } = opened;
  const durable: string[] = [];
  files.freeBytes = 0;
  write(opened, 'first');
  await turns(opened, 1);
  store.whenDurable(() => durable.push('first'));
  t.true(store.isHeld);
  files.freeBytes = Infinity;
  const engineWrite = engine.write.bind(engine);
  engine.write = async (batch, options) => {
    engine.write = engineWrite;
    files.freeBytes = 0;
    write(opened, 'second');
    store.endTurn(() => t.fail('nobody is sent it'));
    store.whenDurable(() => durable.push('second'));
    await engine.write(batch, options);
  };
  await clock.advance(1000);
  await turns(opened, 20);
  t.true(store.isHeld);
  t.is(store.trouble.attempts, 1);
  t.deepEqual(durable, []);
  files.freeBytes = Infinity;
  await mended(t, opened);
  await turns(opened, 5);
  t.deepEqual(durable, ['first', 'second']);
});

test('one large entry of the turn that the disk refuses does not end the node; what comes after it does', async (t) => {
  const opened = await fixture();
  const { store, files, failures } = opened;
  /** As the batches of one turn, each too small to be logged in slices, are: one entry. */
  const entry = (mebibytes: number): void => {
    for (let i = 0; i < 4 * mebibytes; i++) write(opened, 'k', Buffer.alloc(mebibyte / 4));
    store.endTurn(() => t.fail('nobody is sent it'));
  };
  await refuse(t, opened); // a small one, long before
  files.freeBytes = Infinity;
  await mended(t, opened);
  files.freeBytes = 0;
  entry(66);
  t.true(store.isHeld);
  entry(60);
  const told = (): string[] => failures.map(({ message }) => message).filter((message) => message.includes('wait for a disk'));
  t.deepEqual(told(), []);
  entry(6);
  t.deepEqual(told(), ['67108864 bytes wait for a disk that refuses them']);
});
