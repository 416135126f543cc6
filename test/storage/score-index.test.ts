/** The order of a sorted set against a sorted array: members come, change their scores and go while the index is made in slices, and ranks, counts and ranges are asked for. */
import test from 'ava';
import { recordPart } from '../../protocol/record-key.js';
import { Collection } from '../../storage/collection.js';
import { collectionTypes, kindOf } from '../../storage/collection-types.js';
import { KeyTable, noEntry } from '../../storage/key-table.js';
import { nodeBytes } from '../../storage/order-nodes.js';
import { ScoreIndex } from '../../storage/score-index.js';
import { encodeScore } from '../../storage/score-value.js';
import { seededRandom } from './log-fixtures.js';

const kind = kindOf(collectionTypes.zset, recordPart.element);

class SortedSet {
  readonly table = new KeyTable(7);
  bytes = 0;
  readonly collection: Collection;
  readonly model = new Map<string, number>();
  private readonly owner: number;
  private counter = 0;

  constructor() {
    const key = Buffer.from('key');
    this.owner = this.table.insert(key, 0, key.length, 1, 0, true, noEntry);
    this.collection = new Collection(this.table, this.owner, collectionTypes.zset, true, (bytes) => (this.bytes += bytes));
  }

  get index(): ScoreIndex | undefined {
    return this.collection.index as ScoreIndex | undefined;
  }

  entryOf(member: string): number {
    const bytes = Buffer.from(member);
    return this.table.findPart(this.owner, kind, bytes, 0, bytes.length);
  }

  set(member: string, score: number): void {
    const bytes = Buffer.from(member);
    let entry = this.entryOf(member);
    const isNew = entry === noEntry;
    if (isNew) {
      entry = this.table.insertPart(this.owner, kind, bytes, 0, bytes.length, true);
      this.collection.add(entry, false);
    }
    this.table.setPlain(entry, 1, ++this.counter, 1, 0, encodeScore(score), 0, 8);
    if (isNew) this.collection.revive(entry);
    this.index?.changed(entry, true);
    this.model.set(member, score);
  }

  remove(member: string): void {
    const entry = this.entryOf(member);
    if (entry === noEntry) return;
    this.table.clearRecord(entry);
    this.collection.retire(entry);
    this.index?.changed(entry, false);
    this.collection.remove(entry);
    this.table.removePart(entry);
    this.model.delete(member);
  }

  inOrder(): (readonly [string, number])[] {
    return [...this.model].sort(([a, x], [b, y]) => x - y || Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }
}

test('ranks, counts and ranges are those of a sorted array', (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed);
    const set = new SortedSet();
    const space = seed % 3 === 0 ? 12 : 300;
    const scores = seed % 2 === 0 ? 3 : 1000;
    const change = (): void => {
      const member = `m${random.integer(space)}`;
      if (random.integer(5) < 3) set.set(member, random.integer(scores) - 1);
      else set.remove(member);
    };
    for (let i = 0; i < 200; i++) change();
    set.collection.index = new ScoreIndex(set.table, set.collection);
    while (set.index?.isFilled === false) {
      set.index.fill(1 + random.integer(9));
      for (let i = 0; i < 3; i++) change();
    }
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 10; i++) change();
      const index = set.index as ScoreIndex;
      const expected = set.inOrder();
      t.is(index.size, expected.length);
      t.is(index.byteSize, expected.length * nodeBytes);
      const from = random.integer(expected.length + 2);
      const to = from + random.integer(20);
      const found: (readonly [string, number])[] = [];
      index.forEach(from, to, (entry, score) => found.push([set.table.nameOf(entry), score]));
      t.deepEqual(found, expected.slice(from, to));
      const limit = random.integer(scores) - 1;
      t.is(
        index.countWhile((_, score) => score < limit),
        expected.filter(([, score]) => score < limit).length,
      );
      const at = random.integer(Math.max(1, expected.length));
      const asked = expected[at];
      if (asked !== undefined) t.is(index.rankOf(set.entryOf(asked[0])), at);
    }
    const before = set.bytes;
    const held = set.index?.byteSize ?? 0;
    set.collection.dropIndex();
    t.is(set.bytes, before - held);
  }
});

test('a member that comes in ascending order goes as deep as the balance allows, and no deeper', (t) => {
  const set = new SortedSet();
  set.collection.index = new ScoreIndex(set.table, set.collection);
  const count = 20_000;
  for (let i = 0; i < count; i++) set.set(`m${i}`, i);
  let deepest = 0;
  for (let i = 0; i < count; i += 97) {
    let looked = 0;
    t.is(
      set.index?.countWhile((_, score) => (looked++, score < i)),
      i,
    );
    deepest = Math.max(deepest, looked);
  }
  t.true(deepest <= Math.ceil(2.5 * Math.log2(count)), `${deepest} looks`);
});
