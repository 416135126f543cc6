/** Long replies of a collection: what was there when the command ran, whatever is written between the slices in which they are made. */
import test from 'ava';
import { DoubleReply, MapReply, SetReply, type Reply } from '../../protocol/resp/reply.js';
import { LongReply } from '../../protocol/resp/long-reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import type { CollectionName } from '../../storage/execution.js';
import { decodeScore, encodeScore } from '../../storage/score-value.js';
import type { Transaction } from '../../storage/transaction.js';
import { cpuMsOf } from '../harness/cpu-time.js';
import { HandClock } from './log-fixtures.js';
import { command, openInMemory, type OpenedStore } from './store-fixtures.js';

const key = Buffer.from('k');
const count = 12_000;
const histories = Number(process.env['TORC_LONG_REPLIES'] ?? 6);
const bytes = (text: string | number): Buffer => Buffer.from(String(text));

/** Numbers that look drawn and are the same each time. */
function drawer(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const valueFor = (type: CollectionName, draw: (below: number) => number): Buffer =>
  type === 'zset' ? encodeScore(draw(500)) : type === 'set' ? Buffer.alloc(0) : bytes(`value ${draw(1_000_000)}`);

function write(opened: OpenedStore, body: (transaction: Transaction) => void): void {
  command(opened, 0, 1, body);
}

/** A change that a client might make. */
function change(opened: OpenedStore, type: CollectionName, draw: (below: number) => number): void {
  write(opened, (transaction) => {
    const which = draw(100);
    if (which === 0) {
      transaction.delete(key);
      if (type === 'list') transaction.insertIntoList(key, 0, [bytes('after')], 'left');
      else transaction.setElement(key, type, bytes(`element ${draw(count)}`), valueFor(type, draw));
    } else if (type === 'list') {
      const size = transaction.list(key)?.size ?? 0;
      const at = draw(size);
      if (which < 40 || size === 0) transaction.insertIntoList(key, at, [bytes(`new ${draw(1000)}`)], 'left');
      else if (which < 70) transaction.replaceInList(key, at, bytes(`other ${draw(1000)}`));
      else transaction.removeFromList(key, [[at, at + 1]]);
    } else if (which < 40) transaction.removeElement(key, type, bytes(`element ${draw(count)}`));
    else transaction.setElement(key, type, bytes(`element ${draw(2 * count)}`), valueFor(type, draw));
  });
}

type Ask = (transaction: Transaction) => { readonly long: Reply | undefined; readonly expected: Reply };

const pairsOf = (flat: readonly Buffer[]): [Buffer, Buffer][] =>
  flat.flatMap((one, i) => (i % 2 === 0 ? [[one, flat[i + 1] as Buffer] as [Buffer, Buffer]] : []));

function asks(type: CollectionName, draw: (below: number) => number): Ask[] {
  if (type === 'list') {
    const from = draw(3000);
    return [
      (transaction) => {
        const list = transaction.list(key);
        return { long: list?.range(from, count), expected: list?.slice(from, count) ?? [] };
      },
    ];
  }
  if (type === 'zset') {
    const [from, to, isReverse, resp] = [draw(3000), 6000 + draw(9000), draw(2) === 0, draw(2) === 0 ? 2 : 3] as const;
    return [
      (transaction) => {
        transaction.resp = resp;
        const set = transaction.sorted(key);
        const members = set?.slice(from, to) ?? [];
        if (isReverse) members.reverse();
        const shown = members.map(({ member, score }): Reply[] => [member, new DoubleReply(score)]);
        return { long: set?.longSlice(from, to, true, isReverse), expected: resp === 3 ? shown : shown.flat() };
      },
      (transaction) => {
        const set = transaction.sorted(key);
        return { long: set?.longSlice(from, to, false, false), expected: set?.slice(from, to).map(({ member }) => member) ?? [] };
      },
    ];
  }
  const whole = (transaction: Transaction) => transaction.collection(key, type);
  return [
    (transaction) => {
      transaction.resp = 3;
      return { long: whole(transaction)?.long('map of elements'), expected: new MapReply(pairsOf(whole(transaction)?.pairs() ?? [])) };
    },
    (transaction) => ({
      long: whole(transaction)?.long('set of elements'),
      expected: new SetReply(whole(transaction)?.elements() ?? []),
    }),
    (transaction) => ({
      long: whole(transaction)?.long('values'),
      expected:
        whole(transaction)
          ?.pairs()
          .filter((_, i) => i % 2 === 1) ?? [],
    }),
  ];
}

for (const type of ['hash', 'set', 'zset', 'list'] as const)
  test(`a long reply of a ${type} is of the instant of its command`, async (t) => {
    for (let seed = 1; seed <= histories; seed++) {
      const draw = drawer(seed);
      const clock = new HandClock();
      const opened = await openInMemory({ clock });
      const here = opened.store.partition(0);
      write(opened, (transaction) => {
        if (type === 'list')
          return transaction.insertIntoList(
            key,
            0,
            Array.from({ length: count }, (_, i) => bytes(i)),
            'left',
          );
        for (let i = 0; i < count; i++) transaction.setElement(key, type, bytes(`element ${i}`), valueFor(type, draw));
      });
      for (const ask of asks(type, draw)) {
        let seen: ReturnType<Ask> | undefined;
        for (let runs = 0; seen === undefined; runs++) {
          if (runs > 3) throw new Error('a read never had what it needs');
          opened.transaction.begin(here, 1, 1, 2);
          const result = ask(opened.transaction);
          const [need] = opened.transaction.needs;
          if (need === undefined) seen = result;
          else {
            let isFilled = false;
            opened.store.orders.fill(here, need.collection, () => (isFilled = true));
            for (let i = 0; i < 200 && !isFilled; i++) await clock.advance(0);
          }
        }
        const { long, expected } = seen;
        const { resp } = opened.transaction;
        const wanted = encodeReply(expected, resp);
        if (!(long instanceof LongReply)) return t.fail(`a ${type} of ${count} is answered at once`);
        let made: Buffer | undefined;
        long.whenWhole((pieces) => (made = Buffer.concat(pieces.pieces)));
        let slices = 0;
        do {
          for (let i = draw(40); i > 0; i--) change(opened, type, draw);
          await clock.advance(0); // the sweeper takes what was deleted
          slices++;
        } while (!long.proceed());
        t.true(slices > 3, `${slices} slices`);
        t.true(made?.equals(wanted), `seed ${seed}: another reply than at the instant`);
        t.is(here.collections.hasSnapshots, false);
        // For the next one all is as it was.
        write(opened, (transaction) => {
          transaction.delete(key);
          if (type === 'list')
            return transaction.insertIntoList(
              key,
              0,
              Array.from({ length: count }, (_, i) => bytes(i)),
              'left',
            );
          for (let i = 0; i < count; i++) transaction.setElement(key, type, bytes(`element ${i}`), valueFor(type, draw));
        });
      }
      await opened.close();
    }
  });

/** Of one collection, each chosen more than once in some, with what was there at the instant: element and value, by element. */
for (const type of ['hash', 'set', 'zset'] as const)
  for (const chosen of [5000, count, 3 * count, -5000, -3 * count])
    test(`${chosen} elements of a ${type} by chance are of the instant of their command`, async (t) => {
      const draw = drawer(7);
      const clock = new HandClock();
      const opened = await openInMemory({ clock });
      const here = opened.store.partition(0);
      for (const resp of [2, 3] as const) {
        write(opened, (transaction) => {
          for (let i = 0; i < count; i++) transaction.setElement(key, type, bytes(`element ${i}`), valueFor(type, draw));
        });
        opened.transaction.begin(here, 1, 1, resp);
        const view = opened.transaction.collection(key, type);
        const there = new Map(pairsOf(view?.pairs() ?? []).map(([element, value]) => [element.toString(), value]));
        const shape = type === 'hash' ? 'paired elements' : type === 'zset' ? 'scored members' : 'elements';
        const long = view?.longRandom(chosen, shape);
        if (!(long instanceof LongReply)) return t.fail('it is answered at once');
        let made = '';
        long.whenWhole(({ pieces }) => (made = Buffer.concat(pieces).toString()));
        do {
          for (let i = 0; i < 30; i++) change(opened, type, draw);
          await clock.advance(0);
        } while (!long.proceed());
        const shown = made.split('\r\n').filter((line) => !/^[$*]/.test(line));
        shown.pop(); // behind the last line's end
        const elements = shown.filter((_, i) => type === 'set' || i % 2 === 0);
        const wanted = chosen < 0 ? -chosen : Math.min(chosen, there.size);
        t.is(elements.length, wanted);
        const expected = elements.map((element): Reply => {
          const value = there.get(element);
          if (value === undefined) throw new Error(`${element} was not there`);
          return type === 'set' ? bytes(element) : [bytes(element), type === 'hash' ? value : new DoubleReply(decodeScore(value))];
        });
        const isFlat = resp === 2 && type !== 'set';
        t.true(encodeReply(isFlat ? expected.flat() : expected, resp).equals(Buffer.from(made)));
        const different = new Set(elements).size;
        if (chosen > 0) t.is(different, wanted, 'one comes twice');
        else t.true(different < wanted && different > 0.6 * Math.min(wanted, there.size), `${different} different ones`);
        t.false(here.collections.hasSnapshots);
      }
      await opened.close();
    });

test('which elements come is chance: each as often as any other, alone or with others', async (t) => {
  const opened = await openInMemory();
  const size = 2100;
  write(opened, (transaction) => {
    for (let i = 0; i < size; i++) transaction.setElement(key, 'set', bytes(i), Buffer.alloc(0));
  });
  for (const chosen of [2000, -2000]) {
    const times = Array.from({ length: size }, () => 0);
    const runs = 300;
    for (let run = 0; run < runs; run++) {
      opened.transaction.begin(opened.store.partition(0), 1, 1, 2);
      const long = opened.transaction.collection(key, 'set')?.longRandom(chosen, 'elements');
      if (!(long instanceof LongReply)) return t.fail('it is answered at once');
      let made = '';
      long.whenWhole(({ pieces }) => (made = Buffer.concat(pieces).toString()));
      while (!long.proceed());
      for (const line of made.split('\r\n')) if (/^\d/.test(line)) times[Number(line)] = (times[Number(line)] ?? NaN) + 1;
    }
    const share = 2000 / size;
    const deviation = Math.sqrt(chosen > 0 ? runs * share * (1 - share) : runs * share);
    t.is(
      times.reduce((sum, each) => sum + each, 0),
      2000 * runs,
    );
    for (const [element, each] of times.entries())
      t.true(Math.abs(each - runs * share) < 6 * deviation, `${element} came ${each} times of ${chosen}`);
  }
  await opened.close();
});

test('there is no end to what may be asked for: a reply that gets too long is an error, and holds nothing', async (t) => {
  const opened = await openInMemory();
  const here = opened.store.partition(0);
  write(opened, (transaction) => void transaction.setElement(key, 'set', Buffer.alloc(4 << 20, 'm'), Buffer.alloc(0)));
  opened.transaction.begin(here, 1, 1, 2);
  const long = opened.transaction.collection(key, 'set')?.longRandom(-(2 ** 62), 'elements');
  if (!(long instanceof LongReply)) return t.fail('it is answered at once');
  let made = '';
  long.whenWhole(({ pieces }) => (made = Buffer.concat(pieces).toString()));
  while (!long.proceed());
  t.is(made, '-ERR the reply would be longer than 536870912 bytes\r\n');
  t.is(here.pins, 0);
  t.false(here.collections.hasSnapshots);
  await opened.close();
});

test('a long reply that is given up holds nothing', async (t) => {
  const opened = await openInMemory();
  const here = opened.store.partition(0);
  const { pins } = here;
  write(opened, (transaction) => {
    for (let i = 0; i < count; i++) transaction.setElement(key, 'zset', bytes(i), encodeScore(i));
  });
  opened.transaction.begin(here, 1, 1, 2);
  const long = opened.transaction.collection(key, 'zset')?.long('elements');
  t.is(here.pins, pins + 1);
  t.true(here.collections.hasSnapshots);
  if (long instanceof LongReply) long.abandon();
  t.is(here.pins, pins);
  t.false(here.collections.hasSnapshots);
  await opened.close();
});

test('members that go while a long reply has not come to them cost each about the same, and a slice takes back a few', async (t) => {
  const opened = await openInMemory();
  const size = 120_000;
  const members = Array.from({ length: size }, (_, i) => bytes(`member ${i}`));
  write(opened, (transaction) => {
    for (const [i, member] of members.entries()) transaction.setElement(key, 'zset', member, encodeScore(i));
  });
  const collection = opened.store.partition(0).collections.of(opened.store.partition(0).find(key))[0];
  if (collection === undefined) return t.fail('there is no such collection');
  opened.transaction.begin(opened.store.partition(0), 1, 1, 2);
  opened.transaction.sorted(key)?.rankOf(members[0] as Buffer); // begins the order
  collection.index?.fill(Infinity);
  opened.transaction.begin(opened.store.partition(0), 1, 1, 2);
  const long = opened.transaction.sorted(key)?.longSlice(0, size, false, false);
  if (!(long instanceof LongReply)) return t.fail('it is answered at once');
  let made: Buffer | undefined;
  long.whenWhole(({ pieces }) => (made = Buffer.concat(pieces)));
  const ms = cpuMsOf(() => write(opened, (transaction) => void transaction.removeElements(key, 'zset', members.slice(1))));
  t.true(ms < 3700, `${ms} ms for ${size} members`);
  let slices = 1;
  while (!long.proceed()) slices++;
  t.true(slices >= size / 5000 + size / 1500, `${slices} slices`);
  t.true(made?.equals(encodeReply(members, 2)), 'another reply than at the instant');
  await opened.close();
});

/** Fields of a hash, every third of which has expired at 10 and is still there. */
async function withExpired(size: number): Promise<OpenedStore> {
  const opened = await openInMemory();
  write(opened, (transaction) => {
    for (let i = 0; i < size; i++) transaction.setElement(key, 'hash', bytes(`field ${i}`), bytes(i), i % 3 === 0 ? 10 : 0);
  });
  opened.transaction.begin(opened.store.partition(0), 1, 10, 2);
  return opened;
}

test('what has expired and was not swept is in no reply, long or short', async (t) => {
  for (const size of [30, count]) {
    const opened = await withExpired(size);
    const left = Array.from({ length: size }, (_, i) => i).filter((i) => i % 3 !== 0);
    const names = left.map((i) => `field ${i}`).toSorted();
    const view = opened.transaction.collection(key, 'hash');
    if (view === undefined) return t.fail('there is no hash');
    t.is(view.size, left.length);
    t.deepEqual(view.elements().map(String).toSorted(), names);
    t.deepEqual(
      pairsOf(view.pairs())
        .map(([field, value]) => `${String(field)} ${String(value)}`)
        .toSorted(),
      left.map((i) => `field ${i} ${i}`).toSorted(),
    );
    const places = left.map((_, at) => at);
    t.deepEqual(places.map((at) => String(view.elementAt(at))).toSorted(), names);
    t.deepEqual(
      places.map((at) => `field ${view.valueAt(at).toString()}`),
      places.map((at) => String(view.elementAt(at))),
    );
    if (size === count) {
      for (const long of [view.long('elements'), view.longRandom(size, 'elements')]) {
        if (!(long instanceof LongReply)) return t.fail('it is answered at once');
        let made = '';
        long.whenWhole(({ pieces }) => (made = Buffer.concat(pieces).toString()));
        let removed = 0;
        while (!long.proceed())
          // The sweeper is at work meanwhile.
          command(opened, 0, 10, (transaction) => void (removed += transaction.removeExpiredElements(key, 100)));
        t.true(removed > 100, `${removed} were swept`);
        const lines = made.split('\r\n');
        t.is(lines[0], `*${left.length}`);
        t.deepEqual(lines.filter((line) => line.startsWith('field')).toSorted(), names);
      }
    }
    await opened.close();
  }
});

test('fields that have expired do not make each read copy the hash', async (t) => {
  const opened = await withExpired(40_000);
  const here = opened.store.partition(0);
  const ask = (body: (transaction: Transaction) => void): void => {
    opened.transaction.begin(here, 1, 10, 2);
    body(opened.transaction);
  };
  const ms = cpuMsOf(() => {
    for (let asked = 0; asked < 100; asked++) {
      ask((transaction) => void transaction.collection(key, 'hash')?.scan(0, 10));
      ask((transaction) => void transaction.collection(key, 'hash')?.elementAt(asked));
      ask((transaction) => {
        const long = transaction.collection(key, 'hash')?.long('map of elements');
        if (!(long instanceof LongReply)) throw new Error('it is answered at once');
        long.abandon();
      });
    }
  });
  // As slow as the machine may be today: against as many reads that do copy it.
  const copies = 30;
  const copiesMs = cpuMsOf(() => {
    for (let asked = 0; asked < copies; asked++) ask((transaction) => void transaction.collection(key, 'hash')?.pairs());
  });
  t.true(ms / 300 < 0.2 * (copiesMs / copies), `${ms} ms for 300 reads, ${copiesMs} for ${copies} copies`);
  await opened.close();
});
