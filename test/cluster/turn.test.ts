/** The end of a turn, in its one right order: log, peers, what became true by that, clients. */
import test from 'ava';
import { Turn } from '../../cluster/turn.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import type { Durability } from '../../storage/commit-log.js';
import { HandClock } from '../storage/log-fixtures.js';
import { command, openStore, type OpenedStore } from '../storage/store-fixtures.js';

interface Fixture {
  readonly turn: Turn;
  readonly clock: HandClock;
  readonly files: MemoryLogFiles;
  readonly opened: OpenedStore;
  readonly events: string[];
  isAlone: boolean;
  send: () => void;
  seal: (batches: Buffer | undefined) => void;
}

async function fixture(durability: Durability = 'os'): Promise<Fixture> {
  const clock = new HandClock();
  const files = new MemoryLogFiles({ clock, syncMs: 3 });
  const opening = openStore(new MemoryEngine(), files, { clock, durability });
  for (let i = 0; i < 5; i++) await clock.advance(3); // opening syncs
  const opened = await opening;
  const events: string[] = [];
  const made: Fixture = {
    clock,
    files,
    opened,
    events,
    isAlone: false,
    seal: (batches) => void events.push(`seal ${batches === undefined ? 'nothing' : 'batches'}`),
    send: () => void events.push('send'),
    turn: new Turn(clock, opened.store, {
      seal: (batches) => made.seal(batches),
      hold: (isFirst) => {
        events.push(isFirst ? 'hold first' : 'hold');
        return made.isAlone;
      },
      send: () => made.send(),
    }),
  };
  return made;
}

const write = (opened: OpenedStore): unknown => command(opened, 1, 1, (transaction) => void transaction.increment(Buffer.from('k'), 1n));

test('what was written is in the log before peers hear of it, callbacks run before, clients are flushed last', async (t) => {
  const { turn, clock, opened, events } = await fixture();
  write(opened);
  const { logBytes } = opened.store.statistics();
  turn.flushAtEnd({ flush: () => events.push('flush') });
  turn.whenWritten(() => events.push(`written ${opened.store.statistics().logBytes > logBytes}`));
  t.deepEqual(events, []);
  t.is(turn.number, 0);
  await clock.advance(0);
  t.deepEqual(events, ['seal batches', 'written true', 'send', 'flush']);
  t.is(turn.number, 1);
  await clock.advance(0);
  t.is(turn.number, 1, 'no turn ends that has nothing to end');
});

test('with durability always peers are sent to at once, and callbacks wait for the sync', async (t) => {
  const { turn, clock, opened, events } = await fixture('always');
  await clock.advance(10);
  await clock.advance(10);
  write(opened);
  turn.whenWritten(() => events.push('written'));
  await clock.advance(0);
  t.deepEqual(events, ['seal batches', 'send']);
  await clock.advance(3);
  await clock.advance(3);
  t.deepEqual(events, ['seal batches', 'send', 'written']);
});

test('however often it is asked for, a turn ends once; what is asked of it while it ends belongs to it or to the next', async (t) => {
  const { turn, clock, events } = await fixture();
  for (let i = 0; i < 5; i++) turn.schedule();
  turn.whenWritten(() => {
    events.push('first');
    turn.scheduleSend(); // still leaves with this turn
    turn.flushAtEnd({ flush: () => events.push('flush') });
    turn.whenWritten(() => events.push('second'));
  });
  await clock.advance(0);
  t.deepEqual(events, ['seal nothing', 'first', 'send', 'flush']);
  await clock.advance(0);
  t.deepEqual(events, ['seal nothing', 'first', 'send', 'flush', 'seal nothing', 'second', 'send']);
  await clock.advance(0);
  t.is(turn.number, 2);
});

test('a turn of many reads ends between two pieces of input, and one in which something was written does not', async (t) => {
  const { turn, clock, opened, events } = await fixture();
  const taken = (reads: number): void => {
    for (let i = 0; i < reads; i++) turn.readAsked();
    turn.schedule();
    turn.inputTaken();
  };
  taken(63);
  t.is(turn.number, 0);
  taken(1);
  t.is(turn.number, 1);
  t.deepEqual(events, ['seal nothing', 'send']);
  taken(63);
  t.is(turn.number, 1, 'it begins to count anew');
  write(opened);
  taken(100);
  t.is(turn.number, 1);
  await clock.advance(0);
  t.is(turn.number, 2);
  t.deepEqual(events.slice(2), ['seal batches', 'send']);
  await clock.advance(0);
  t.is(turn.number, 2, 'what ended early does not end again');
});

test('a turn that is to end apart does once the event loop has been round again, and is not put off for ever', async (t) => {
  const { turn, clock, opened, events } = await fixture();
  write(opened);
  turn.schedule();
  turn.endApart();
  const wroteMs = turn.nowMs;
  await clock.advance(5);
  t.deepEqual(events, []);
  t.is(turn.nowMs, wroteMs + 5, 'what comes meanwhile has come later');
  write(opened);
  turn.schedule();
  turn.endApart();
  await clock.advance(0);
  t.deepEqual(events, ['seal batches', 'send']);
  t.is(turn.number, 1);
  turn.schedule();
  await clock.advance(0);
  t.is(turn.number, 2, 'the next one is as any other');
});

test('a turn is not put off where what goes by itself might overtake it', async (t) => {
  const { turn, clock, opened, events } = await fixture();
  write(opened);
  turn.schedule();
  turn.endApart();
  turn.endInTime();
  turn.endApart();
  await clock.advance(0);
  t.deepEqual(events, ['seal batches', 'send']);
});

test('what is said while links are sending leaves with a turn of its own', async (t) => {
  const made = await fixture();
  const { turn, clock, events } = made;
  made.send = () => {
    events.push('send');
    if (events.filter((event) => event === 'send').length === 1) turn.scheduleSend();
  };
  turn.schedule();
  await clock.advance(0);
  await clock.advance(0);
  t.deepEqual(events, ['seal nothing', 'send', 'seal nothing', 'send']);
});

test('the batches handed to peers are theirs to keep', async (t) => {
  const made = await fixture();
  const { turn, clock, opened } = made;
  const sent: Buffer[] = [];
  let copy: Buffer | undefined;
  made.seal = (batches) => void (batches !== undefined && sent.push(batches));
  for (let i = 0; i < 2; i++) {
    write(opened);
    turn.schedule();
    await clock.advance(0);
    copy ??= Buffer.from(sent[0] ?? '');
  }
  const [first = Buffer.alloc(0), second] = sent;
  t.deepEqual(first, copy);
  t.notDeepEqual(first, second);
});

test('a log that takes no more: peers and waiters are told nothing of the turn until it does, clients are', async (t) => {
  const { turn, clock, files, opened, events } = await fixture();
  files.freeBytes = 1;
  write(opened);
  turn.flushAtEnd({ flush: () => events.push('flush'), abandon: () => events.push('abandon') });
  turn.whenWritten(() => events.push('written'));
  await clock.advance(0);
  await clock.advance(10);
  t.deepEqual(events, ['hold first', 'send', 'flush']);
  turn.schedule();
  await clock.advance(0);
  t.deepEqual(events.splice(0), ['hold first', 'send', 'flush', 'hold', 'send']);
  files.freeBytes = Infinity;
  for (let ms = 0; opened.store.trouble.reason !== undefined && ms < 3000; ms += 5) await clock.advance(5);
  turn.schedule();
  await clock.advance(0);
  t.deepEqual(events, ['seal nothing', 'written', 'send']);
});

test('clients of a node that is alone do not get the replies of the turn that its log does not take', async (t) => {
  const made = await fixture();
  const { turn, clock, files, opened, events } = made;
  made.isAlone = true;
  files.freeBytes = 1;
  write(opened);
  const client = { flush: () => events.push('flush'), abandon: () => events.push('abandon') };
  turn.flushAtEnd(client);
  turn.flushAtEnd({ flush: () => events.push('count') });
  await clock.advance(0);
  turn.flushAtEnd(client); // what it is told now rests on nothing that was just written
  await clock.advance(0);
  t.deepEqual(events, ['hold first', 'send', 'abandon', 'count', 'hold', 'send', 'flush']);
});

test('a disk that refuses anew before a turn has ended well is a new refusal: replies of that turn must not leave either', async (t) => {
  for (const durability of ['os', 'always'] as const) {
    const made = await fixture(durability);
    const { turn, clock, opened, events, files } = made;
    made.isAlone = true;
    const flushed: string[] = [];
    const held = async (name: string): Promise<void> => {
      write(opened);
      turn.flushAtEnd({ flush: () => flushed.push(name), abandon: () => events.push(`abandon ${name}`) });
      await clock.advance(0);
    };
    files.freeBytes = 0;
    await held('first');
    await held('second');
    t.deepEqual(events, ['hold first', 'send', 'abandon first', 'hold', 'send']);
    files.freeBytes = Infinity;
    await clock.advance(1000);
    for (let i = 0; i < 20 && opened.store.trouble.reason !== undefined; i++) await clock.advance(3);
    t.false(opened.store.isHeld);
    events.length = 0;
    files.freeBytes = 0;
    await held('third');
    t.deepEqual(events, ['hold first', 'send', 'abandon third'], durability);
    t.deepEqual(flushed, ['second']);
  }
});
