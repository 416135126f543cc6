/**
 * Searches of lists that are longer than what a command looks at itself: a read's goes on from a snapshot, of the instant of its command; a writer's is made before it runs again, and holds for the list that was
 * searched and no other. Both find what a search of an array finds, in slices of bounded work.
 */
import fc from '../harness/properties.js';
import test from 'ava';
import { LongReply } from '../../protocol/resp/long-reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { CommandError, type Sought } from '../../storage/execution.js';
import { findings, ListSearch } from '../../storage/list-search.js';
import type { LongWork } from '../../storage/long-work.js';
import type { Transaction } from '../../storage/transaction.js';
import { HandClock, seededRandom } from './log-fixtures.js';
import { command, openInMemory, type OpenedStore } from './store-fixtures.js';

const key = Buffer.from('list');
const count = 31_000;
/** What is looked at in one turn, at most. */
const atOnce = 10_000;
const valueOf = (index: number): string => (index % 1000 === 7 ? 'rare' : index === count - 2 ? 'single' : `v${index % 3}`);
const values = Array.from({ length: count }, (_, index) => valueOf(index));

/** What an array says. */
function found(array: readonly string[], { value, fromEnd, most, lookedAt }: Sought): number[] {
  const indexes = Array.from(array.keys());
  const looked = (fromEnd ? indexes.reverse() : indexes).slice(0, lookedAt);
  return looked.filter((index) => array[index] === value.toString()).slice(0, most);
}

const limit = (...often: number[]): fc.Arbitrary<number> => fc.oneof(fc.constantFrom(...often, Infinity), fc.nat(count + 10));
const anySought: fc.Arbitrary<Sought> = fc.record({
  value: fc.constantFrom('v0', 'rare', 'single', 'none').map((text) => Buffer.from(text)),
  fromEnd: fc.boolean(),
  most: limit(0, 1, 20),
  lookedAt: limit(0, 1, atOnce, atOnce + 1),
});

async function filled(clock = new HandClock()): Promise<OpenedStore> {
  const opened = await openInMemory({ clock });
  const bytes = values.map((value) => Buffer.from(value));
  command(opened, 0, 1, (transaction) => transaction.insertIntoList(key, 0, bytes, 'left'));
  begin(opened).list(key)?.isOrdered();
  const [need] = opened.transaction.needs;
  if (need === undefined) throw new Error('it is in order at once');
  let isOrdered = false;
  opened.store.orders.fill(opened.store.partition(0), need.collection, () => (isOrdered = true));
  while (!isOrdered) await clock.advance(0);
  return opened;
}

/** Begins one more run of a command, which an earlier one may have prepared something for. */
function begin({ store, transaction }: OpenedStore, prepared?: LongWork<unknown>): Transaction {
  transaction.begin(store.partition(0), 1, 1, 2);
  transaction.prepared = prepared;
  return transaction;
}

/** Counts elements that are looked at. */
class Looks {
  count = 0;

  constructor({ store: { table } }: OpenedStore) {
    const hasValue = table.hasValue.bind(table);
    table.hasValue = (entry, bytes) => (this.count++, hasValue(entry, bytes));
  }

  take(): number {
    const { count: taken } = this;
    this.count = 0;
    return taken;
  }
}

test('however far it goes at a time, a search finds what is there', (t) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }), fc.boolean(), fc.nat(31), fc.nat(31), fc.infiniteStream(fc.integer({ min: 1, max: 7 })), (array, fromEnd, most, lookedAt, steps) => {
      const sought = { value: Buffer.from('a'), fromEnd, most, lookedAt };
      const search = new ListSearch(sought, array.length);
      for (let looked = 0; !search.isOver; ) {
        const step = steps.next().value as number;
        const [from, to] = search.next(step);
        search.look(step, (index) => {
          if (index < from || index >= to) throw new Error(`${index} is none of those that come next`);
          looked++;
          return array[index] === 'a';
        });
        if (looked > array.length) throw new Error('it does not end');
      }
      t.deepEqual(search.found, found(array, sought));
    }),
  );
}); // prettier-ignore

test('where what is sought is long, fewer elements are looked at in a turn', async (t) => {
  const opened = await filled();
  const looks = new Looks(opened);
  const reply = begin(opened)
    .list(key)
    ?.search({ value: Buffer.alloc(1 << 20, 'v'), fromEnd: false, most: 1, lookedAt: Infinity }, 0, false);
  t.true(looks.take() <= 10, 'a gigabyte is not compared at once');
  if (!(reply instanceof LongReply)) return t.fail('it is answered at once');
  t.false(reply.proceed());
  t.true(looks.take() <= 10);
  reply.abandon();
  await opened.close();
});

test('a reply is of the instant of its command, whatever is written between its slices', async (t) => {
  const clock = new HandClock();
  const opened = await filled(clock);
  const here = opened.store.partition(0);
  const looks = new Looks(opened);
  const random = seededRandom(1);
  let array: readonly string[] = values;
  let long = 0;
  const change = (): void => {
    const model = [...array];
    const at = random.integer(model.length);
    const text = ['rare', 'v0', 'single'][random.integer(3)] ?? '';
    command(opened, 0, 1, (transaction) => {
      const action = random.integer(3);
      if (action === 0) transaction.insertIntoList(key, at, [Buffer.from(text)], 'left');
      else if (action === 1) transaction.replaceInList(key, at, Buffer.from(text));
      else transaction.removeFromList(key, [[at, at + 1]]);
      model.splice(at, action === 0 ? 0 : 1, ...(action === 2 ? [] : [text]));
    });
    array = model;
  };
  const check = async (sought: Sought, passed: number, isArray: boolean): Promise<void> => {
    const expected = encodeReply(findings(found(array, sought), passed, isArray), 2).toString();
    looks.take();
    const reply: Reply | undefined = begin(opened).list(key)?.search(sought, passed, isArray);
    t.true(looks.take() <= atOnce);
    if (!(reply instanceof LongReply)) return void t.is(encodeReply(reply ?? null, 2).toString(), expected, JSON.stringify(sought));
    long++;
    let made = '';
    reply.whenWhole(({ pieces }) => (made = Buffer.concat(pieces).toString()));
    for (let isOver = false; !isOver; await clock.advance(0)) {
      for (let i = 0; i < 3; i++) change();
      looks.take();
      isOver = reply.proceed();
      t.true(looks.take() <= atOnce);
    }
    t.is(made, expected, JSON.stringify(sought));
    t.is(here.pins, 0);
    t.false(here.collections.hasSnapshots);
  };
  await fc.assert(fc.asyncProperty(anySought, fc.nat(3), fc.boolean(), check), { numRuns: 60 });
  t.true(long > 10, `${long} long ones`);
  await opened.close();
});

test('a command that writes by what it finds has it found first; what was found of another list is searched anew', async (t) => {
  const opened = await filled();
  const looks = new Looks(opened);
  let prepared = 0;
  const search = (sought: Sought, change?: () => void): number[] => {
    looks.take();
    try {
      return begin(opened).list(key)?.indexesOf(sought) ?? [];
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
    t.true(looks.take() <= atOnce);
    const { lacking, batchDot } = opened.transaction;
    t.is(batchDot, undefined);
    if (lacking === undefined) throw new Error('a run that did not count lacks nothing');
    prepared++;
    for (let isOver = false, slices = 0; !isOver; slices++) {
      isOver = lacking.proceed();
      t.true(looks.take() <= 2500);
      if (slices === 1) change?.();
    }
    const indexes = begin(opened, lacking).list(key)?.indexesOf(sought) ?? [];
    if (change === undefined) t.true(looks.take() <= atOnce, 'what was found is looked for once');
    looks.take();
    return indexes;
  };
  fc.assert(
    fc.property(anySought, (sought) => void t.deepEqual(search(sought), found(values, sought), JSON.stringify(sought))),
    { numRuns: 60 },
  );
  t.true(prepared > 10, `${prepared} searches that are prepared`);

  const sought = { value: Buffer.from('single'), fromEnd: false, most: Infinity, lookedAt: Infinity };
  const insert = (): void =>
    void command(opened, 0, 1, (transaction) => transaction.insertIntoList(key, 0, [Buffer.from('single')], 'left'));
  t.deepEqual(search(sought, insert), [0, count - 1]);
  const remove = (): void => void command(opened, 0, 1, (transaction) => transaction.removeFromList(key, [[20_000, 21_000]]));
  t.deepEqual(search(sought, remove), [0, count - 1001]);
  const empty = (): void => void command(opened, 0, 1, (transaction) => transaction.delete(key));
  t.deepEqual(search(sought, empty), []);
  await opened.close();
});
