/** A collection that a command names many times is opened once, and what fails to begin holds nothing. */
import test from 'ava';
import { LongReply } from '../../protocol/resp/long-reply.js';
import { CombinationWalk } from '../../storage/combination-walk.js';
import type { Scoring } from '../../storage/combined-scores.js';
import type { ElementSource } from '../../storage/element-source.js';
import type { CollectionView, SetOperation } from '../../storage/execution.js';
import { LongScoredCombination } from '../../storage/long-scored-combination.js';
import { encodeScore } from '../../storage/score-value.js';
import { command, openInMemory, type OpenedStore } from './store-fixtures.js';

const size = 2500;
const mentions = 1000;
const operations: readonly SetOperation[] = ['union', 'inter', 'diff'];
const scoring: Scoring = { weights: Array.from({ length: mentions + 1 }, (_, at) => at), aggregate: (score, other) => score + other };

/** Two sets of the first partition that share half of their members, each as often as is asked for; nothing else runs. */
async function opened(): Promise<{ readonly store: OpenedStore; readonly views: (one: number, other: number) => CollectionView[] }> {
  const store = await openInMemory();
  command(store, 0, 1, (transaction) => {
    for (let i = 0; i < size; i++) {
      transaction.setElement(Buffer.from('one'), 'zset', Buffer.from(`m${i}`), encodeScore(i));
      transaction.setElement(Buffer.from('other'), 'zset', Buffer.from(`m${i + size / 2}`), encodeScore(1));
    }
  });
  store.transaction.begin(store.store.partition(0), 1, 1, 2);
  const view = (key: string): CollectionView => {
    const shown = store.transaction.collection(Buffer.from(key), 'zset');
    if (shown === undefined) throw new Error(`${key} is not there`);
    return shown;
  };
  const many = (key: string, count: number): CollectionView[] => Array.from({ length: count }, () => view(key));
  return { store, views: (one, other) => [...many('one', one), ...many('other', other)] };
}

test('a collection that is named a thousand times is opened once', async (t) => {
  const { store, views } = await opened();
  const here = store.store.partition(0);
  for (const operation of operations)
    for (const [one, other] of [
      [mentions, 1],
      [1, mentions],
      [mentions, 0],
    ] as const) {
      const named = views(one, other);
      const isBoth = other > 0 ? 2 : 1;
      const reply = store.transaction.longScoredCombination(operation, named, scoring, true);
      t.is(here.pins, isBoth);
      if (!(reply instanceof LongReply)) return t.fail('it is answered at once');
      reply.abandon();
      const count = store.transaction.longCombination(operation, named, Infinity, true);
      t.is(here.pins, isBoth);
      if (!(count instanceof LongReply)) return t.fail('it is answered at once');
      count.abandon();
      const members = store.transaction.longMembers(operation, named);
      t.is(here.pins, isBoth);
      members?.abandon();
      t.is(here.pins, 0);
      t.false(here.collections.hasSnapshots);
    }
  await store.close();
});

test('each mention counts with its weight, and a union goes through a collection once', async (t) => {
  const { store, views } = await opened();
  const found = (operation: SetOperation, one: number, other: number): Map<string, number> => {
    const made = store.transaction.longMembers(operation, views(one, other), scoring)?.take() ?? [];
    return new Map(made.map(({ member, score }) => [member.toString(), score]));
  };
  const weights = (mentions * (mentions - 1)) / 2;
  const union = found('union', mentions, 1);
  t.is(union.size, 1.5 * size);
  t.is(union.get('m7'), 7 * weights);
  t.is(union.get(`m${size / 2}`), (size / 2) * weights + mentions);
  t.is(union.get(`m${size}`), mentions);
  const inter = found('inter', mentions, 1);
  t.is(inter.size, size / 2);
  t.is(inter.get(`m${size - 1}`), (size - 1) * weights + mentions);
  t.is(found('diff', 1, 2).size, size / 2);
  t.is(found('diff', 2, 1).size, 0);
  const members = (operation: SetOperation, one: number, other: number): number | undefined =>
    store.transaction.longMembers(operation, views(one, other))?.take().length;
  t.is(members('union', 3, 3), 1.5 * size);
  t.is(members('inter', 3, 3), size / 2);
  t.is(members('diff', 1, 3), size / 2);
  t.is(members('diff', 2, 3), 0);
  await store.close();
});

test('a combination that cannot begin leaves nothing open', async (t) => {
  const { store, views } = await opened();
  const here = store.store.partition(0);
  const sources = (): ElementSource[] =>
    views(1, 1).map((view) => {
      const source = view.source();
      if (typeof source === 'string') throw new Error('it has no source');
      return source;
    });
  const begun = (those: readonly ElementSource[]): LongScoredCombination =>
    new LongScoredCombination(new CombinationWalk('union', those, Infinity, scoring), those, true, 2);
  const tooLarge = sources();
  Object.defineProperty(tooLarge[1], 'size', { value: 2 ** 45 });
  t.throws(() => begun(tooLarge), { instanceOf: RangeError });
  t.is(here.pins, 0);
  const failing = sources();
  Object.defineProperty(failing[1], 'open', {
    value: () => {
      throw new RangeError('Array buffer allocation failed');
    },
  });
  t.throws(() => begun(failing), { instanceOf: RangeError });
  t.is(here.pins, 0);
  t.false(here.collections.hasSnapshots);
  begun(sources()).abandon();
  t.is(here.pins, 0);
  await store.close();
});
