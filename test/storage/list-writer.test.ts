/** What changing a list writes, on a real store: as the same changes of an array, few records at a time, and positions that stay short whatever is inserted where. */
import test from 'ava';
import { recordPart } from '../../protocol/record-key.js';
import { positionBytesMost } from '../../storage/list-position.js';
import type { Transaction } from '../../storage/transaction.js';
import { seededRandom } from './log-fixtures.js';
import { command, openInMemory, type OpenedStore } from './store-fixtures.js';

const key = Buffer.from('list');

/** A list on a store and the same as an array. */
class Both {
  readonly model: string[] = [];
  /** Elements that the last change wrote or deleted. */
  written = 0;
  private serial = 0;

  constructor(private readonly opened: OpenedStore) {}

  insert(at: number, count: number, near: 'left' | 'right'): void {
    const values = Array.from({ length: count }, () => `v${++this.serial}`);
    this.model.splice(at, 0, ...values);
    const bytes = values.map((value) => Buffer.from(value));
    this.run((transaction) => transaction.insertIntoList(key, at, bytes, near));
  }

  remove(ranges: readonly (readonly [number, number])[]): void {
    for (const [from, to] of ranges.toReversed()) this.model.splice(from, to - from);
    this.run((transaction) => transaction.removeFromList(key, ranges));
  }

  rotate(from: 'left' | 'right'): void {
    if (from === 'left') this.model.push(...this.model.splice(0, 1));
    else this.model.unshift(...this.model.splice(-1));
    this.run((transaction) => transaction.rotateList(key, from));
  }

  replace(at: number): void {
    const value = `v${++this.serial}`;
    this.model[at] = value;
    this.run((transaction) => transaction.replaceInList(key, at, Buffer.from(value)));
  }

  private run(change: (transaction: Transaction) => void): void {
    command(this.opened, 0, 1, (transaction) => {
      change(transaction);
      this.written = transaction.writes.places.slice(0, transaction.writes.count).filter(({ part }) => part === recordPart.element).length;
    });
  }

  /** Values in order, the longest position, and whether what a command sees of its own changes is the same. */
  look(): { readonly values: readonly string[]; readonly longest: number } {
    const { store, transaction } = this.opened;
    transaction.begin(store.partition(0), 1, 1, 2);
    const list = transaction.list(key);
    const values = (list?.slice(0, Infinity) ?? []).map(String);
    let longest = 0;
    for (let at = 0; at < values.length; at++) longest = Math.max(longest, list?.positionAt(at)?.length ?? Infinity);
    transaction.discard();
    return { values, longest };
  }
}

test('any changes leave the list as they would leave an array, and so does what a command sees of its own', async (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    const opened = await openInMemory();
    const random = seededRandom(seed);
    const pick = (below: number): number => random.integer(below);
    const both = new Both(opened);
    for (let step = 0; step < 120; step++) {
      const { length } = both.model;
      const action = pick(9);
      if (action < 3 || length === 0) both.insert(pick(length + 1), 1 + pick(40), pick(2) === 0 ? 'left' : 'right');
      else if (action < 5) {
        const from = pick(length);
        both.remove([[from, Math.min(length, from + 1 + pick(pick(3) === 0 ? 200 : 5))]]);
      } else if (action < 6 && length > 4)
        both.remove([[0, 1], [2, 3], [length - 1, length]]); // prettier-ignore
      else if (action < 7) both.replace(pick(length));
      else both.rotate(pick(2) === 0 ? 'left' : 'right');
      const { values } = both.look();
      if (values.join() !== both.model.join()) return t.fail(`seed ${seed}, step ${step}: ${values.join()} and not ${both.model.join()}`);
    }
    await opened.close();
  }
  t.pass();
});

test('a command that changes a list twice sees its first change', async (t) => {
  const opened = await openInMemory();
  command(opened, 0, 1, (transaction) => {
    transaction.insertIntoList(key, 0, ['a', 'b', 'c'].map((value) => Buffer.from(value)), 'left'); // prettier-ignore
    transaction.removeFromList(key, [[1, 2]]);
    transaction.insertIntoList(key, 1, [Buffer.from('between')], 'left');
    transaction.rotateList(key, 'left');
    transaction.replaceInList(key, 0, Buffer.from('changed'));
    t.deepEqual(transaction.list(key)?.slice(0, 9).map(String), ['changed', 'c', 'a']);
    t.deepEqual(transaction.list(key)?.indexesOf({ value: Buffer.from('a'), fromEnd: true, most: 1, lookedAt: 9 }), [2]);
    transaction.delete(key);
    transaction.insertIntoList(key, 0, [Buffer.from('new')], 'left');
  });
  const { store, transaction } = opened;
  transaction.begin(store.partition(0), 1, 1, 2);
  t.deepEqual(transaction.list(key)?.slice(0, 9).map(String), ['new']);
  await opened.close();
});

test('inserting again and again in the narrowest place: no position gets long, few elements are rewritten, and the order stays', async (t) => {
  const opened = await openInMemory();
  const both = new Both(opened);
  both.insert(0, 2, 'left');
  const insertions = 6000;
  let [at, rewritings, records, most] = [1, 0, 0, 0];
  for (let i = 0; i < insertions; i++) {
    // Now beside the one neighbour of what was inserted last, now beside the other.
    both.insert(at, 1, i % 3 === 0 ? 'right' : 'left');
    if (i % 2 === 0) at++;
    if (both.written > 1) rewritings++;
    records += both.written;
    most = Math.max(most, both.written);
  }
  const { values, longest } = both.look();
  t.deepEqual(values, both.model);
  t.log(`${longest} bytes at most; ${rewritings} rewritings of ${most} records at most, ${records / insertions} records an insertion`);
  t.true(longest <= positionBytesMost);
  t.true(rewritings > 0, 'the place was narrow enough');
  t.true(records <= 32 * insertions, 'on the whole few are rewritten');
  await opened.close();
});

test('a list that loses most of what it has is one deletion, and what stays is where it was', async (t) => {
  const opened = await openInMemory();
  const both = new Both(opened);
  both.insert(0, 1000, 'left');
  both.remove([[0, 900], [980, 1000]]); // prettier-ignore
  t.is(both.written, 80);
  t.deepEqual(both.look().values, both.model);
  both.remove([[0, 1]]);
  t.is(both.written, 1);
  both.remove([[0, 79]]);
  t.is(both.written, 0);
  t.is(opened.store.partition(0).aliveEntries, 0);
  await opened.close();
});
