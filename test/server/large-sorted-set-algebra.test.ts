/** ZUNION, ZINTER, ZDIFF and ZINTERCARD of large sorted sets and sets, and the STOREs of both families: what slices make is what one turn makes, of the instant of the command, whatever is written meanwhile. */
import fc from '../harness/properties.js';
import test, { type ExecutionContext } from 'ava';
import { LongReply } from '../../protocol/resp/long-reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { HandClock, seededRandom } from '../storage/log-fixtures.js';
import { openInMemory, type OpenedStore } from '../storage/store-fixtures.js';
import { broughtOf, run, runAtOnce, runPrepared, runSeeing, whole } from './store-commands.js';

const scoreTexts = ['0', '1', '-1', '3', '0.1', '0.2', '-3.5', '1e17', '1e300', '-1e300', 'inf', '-inf'];
const weightTexts = ['0', '1', '2', '-1', '0.1', '-0.7', '1e10', 'inf', '-inf'];

interface Source {
  readonly isSet: boolean;
  /** Numbers that are its members. */
  readonly from: number;
  readonly count: number;
  /** In turn. */
  readonly scores: readonly string[];
}

const source: fc.Arbitrary<Source> = fc.record({
  isSet: fc.boolean(),
  from: fc.nat(2000),
  count: fc.integer({ min: 1500, max: 3000 }),
  scores: fc.array(fc.constantFrom(...scoreTexts), { minLength: 1, maxLength: 7 }),
});

const names = ['ZUNION', 'ZINTER', 'ZDIFF', 'ZINTERCARD'] as const;

/** Of which keys, `k3` being none, and how. */
const ask = fc.record({
  name: fc.constantFrom(...names),
  keys: fc.array(fc.constantFrom(0, 1, 2, 2, 1, 0, 3), { minLength: 1, maxLength: 4 }),
  weights: fc.option(fc.array(fc.constantFrom(...weightTexts), { minLength: 4, maxLength: 4 })),
  aggregate: fc.option(fc.constantFrom('SUM', 'MIN', 'MAX')),
  withScores: fc.boolean(),
  limit: fc.option(fc.nat(3000)),
  resp: fc.constantFrom(2 as const, 3 as const),
  /** Which of them are of other partitions. */
  distant: fc.subarray(['k0', 'k1', 'k2', 'k3']),
});

type Ask = typeof ask extends fc.Arbitrary<infer Value> ? Value : never;

function fill(opened: OpenedStore, key: string, { isSet, from, count, scores }: Source): void {
  const members = Array.from({ length: count }, (_, i) => from + i);
  if (isSet) run(opened, 2, 'SADD', key, ...members);
  else run(opened, 2, 'ZADD', key, ...members.flatMap((member) => [scores[member % scores.length] as string, member]));
}

function wordsOf({ name, keys, weights, aggregate, withScores, limit }: Ask): (string | number)[] {
  const words = [name, keys.length, ...keys.map((key) => `k${key}`)];
  if (name === 'ZINTERCARD') return limit === null ? words : [...words, 'LIMIT', limit];
  if (name !== 'ZDIFF' && weights !== null) words.push('WEIGHTS', ...weights.slice(0, keys.length));
  if (name !== 'ZDIFF' && aggregate !== null) words.push('AGGREGATE', aggregate);
  return withScores ? [...words, 'WITHSCORES'] : words;
}

test('in slices as at once', async (t) => {
  const inSlices = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.tuple(source, source, source), fc.array(ask, { minLength: 4, maxLength: 4 }), async (sources, asks) => {
      const opened = await openInMemory();
      for (const [index, each] of sources.entries()) fill(opened, `k${index}`, each);
      for (const each of asks) {
        const words = wordsOf(each);
        const reply = runSeeing(opened, each.resp, words, await broughtOf(opened, each.distant));
        if (!(reply instanceof LongReply)) continue;
        inSlices.set(each.name, (inSlices.get(each.name) ?? 0) + 1);
        const expected = encodeReply(runAtOnce(opened, each.resp, ...words), each.resp);
        const { bytes, slices } = await whole(reply);
        t.true(bytes.equals(expected), `${words.join(' ')}, RESP${each.resp}`);
        t.true(slices > 1 || words.includes('LIMIT'));
      }
      await opened.close();
    }),
    { numRuns: 40 },
  );
  for (const name of names) t.true((inSlices.get(name) ?? 0) > 4, `${name} was made in slices ${inSlices.get(name)} times`);
});

const kept: readonly Source[] = [
  { isSet: false, from: 0, count: 6000, scores: ['1', '2', '0.1', '-7', '2'] },
  { isSet: true, from: 3000, count: 4000, scores: [] },
  { isSet: false, from: 2000, count: 3500, scores: ['5', 'inf', '0.2'] },
];
const asked: readonly (readonly (string | number)[])[] = [
  ['ZUNION', 3, 'k0', 'k1', 'k2', 'WEIGHTS', 1, 2, -1, 'WITHSCORES'],
  ['ZUNION', 1, 'k1', 'WITHSCORES'],
  ['ZUNION', 2, 'k2', 'k2', 'AGGREGATE', 'MAX'],
  ['ZINTER', 2, 'k0', 'k1', 'AGGREGATE', 'MIN', 'WITHSCORES'],
  ['ZINTER', 3, 'k0', 'k1', 'k2', 'WITHSCORES'],
  ['ZDIFF', 2, 'k0', 'k2', 'WITHSCORES'],
  ['ZDIFF', 2, 'k1', 'k2'],
  ['ZINTERCARD', 3, 'k0', 'k1', 'k2'],
];
/** Lengths looked at in a slice: two of each comparison, and those of the last run that it sorts. */
const stepsOfSlice = 2 * (5000 + 256 * 8);

for (const resp of [2, 3] as const)
  test(`whatever is written between the slices, in RESP${resp}`, async (t) => {
    for (const [seed, words] of asked.entries()) await askedMeanwhile(t, resp, seed, words);
  });

async function askedMeanwhile(t: ExecutionContext, resp: 2 | 3, seed: number, words: readonly (string | number)[]): Promise<void> {
  const clock = new HandClock();
  const opened = await openInMemory({ clock });
  const random = seededRandom(seed + 1);
  for (const [index, each] of kept.entries()) fill(opened, `k${index}`, each);
  const expected = encodeReply(runAtOnce(opened, resp, ...words), resp);
  const reply = run(opened, resp, ...words);
  if (!(reply instanceof LongReply)) return t.fail(`${words.join(' ')} is answered at once`);
  const { table } = opened.store;
  const counted = { findPart: table.findPart.bind(table), keyLengthOf: table.keyLengthOf.bind(table) };
  let [steps, most] = [0, 0];
  const slice = (): boolean => {
    steps = 0;
    table.findPart = (...args) => (steps++, counted.findPart(...args));
    table.keyLengthOf = (entry) => (steps++, counted.keyLengthOf(entry));
    const isOver = reply.proceed();
    Object.assign(table, counted);
    most = Math.max(most, steps);
    return isOver;
  };
  const write = (): void => {
    const index = random.integer(3);
    const key = `k${index}`;
    const action = random.integer(60);
    const member = random.integer(8000);
    if (action === 0) run(opened, 2, 'DEL', key);
    else if (index === 1) run(opened, 2, action < 30 ? 'SREM' : 'SADD', key, member);
    else if (action < 20) run(opened, 2, 'ZREM', key, member);
    else if (action < 40) run(opened, 2, 'ZINCRBY', key, 3, member);
    else run(opened, 2, 'ZADD', key, random.integer(10), member);
  };
  const { bytes, slices } = await whole(
    reply,
    async () => {
      for (let i = 0; i < 30; i++) write();
      await clock.advance(0); // the sweeper takes what was deleted
    },
    slice,
  );
  t.true(bytes.equals(expected), `${words.join(' ')}, RESP${resp}`);
  t.true(slices > 1, `${slices} slices`);
  t.true(most <= stepsOfSlice, `${most} steps of a slice`);
  t.true(most > 1000, 'nothing was counted');
  await nothingIsHeld(t, opened, clock);
}

async function nothingIsHeld(t: ExecutionContext, { store }: OpenedStore, clock: HandClock): Promise<void> {
  for (let turns = 0; turns < 1000 && store.statistics().collectionsToSweep > 0; turns++) await clock.advance(0);
  t.is(store.partition(0).pins, 0); // the sweeper's, too
  t.false(store.partition(0).collections.hasSnapshots);
}

const stored: readonly Source[] = [
  { isSet: false, from: 0, count: 3000, scores: ['1', '2', '0.1', '-7', '2'] },
  { isSet: true, from: 1000, count: 2500, scores: [] },
  { isSet: false, from: 500, count: 2300, scores: ['5', 'inf', '0.2'] },
];

/** STOREs of sorted sets and sets `k0`..`k2`, without their target. */
const stores: readonly (readonly (string | number)[])[] = [
  ['ZUNIONSTORE', 3, 'k0', 'k1', 'k2', 'WEIGHTS', 1, 2, -1],
  ['ZUNIONSTORE', 2, 'k2', 'k0', 'AGGREGATE', 'MIN'],
  ['ZINTERSTORE', 3, 'k0', 'k1', 'k2', 'WEIGHTS', 0.1, 2, 3],
  ['ZDIFFSTORE', 2, 'k0', 'k2'],
  ['SUNIONSTORE', 'k1', 's'],
  ['SINTERSTORE', 's', 'k1'],
  ['SDIFFSTORE', 's', 'k1'],
];

const into = (target: string, [name, ...rest]: readonly (string | number)[]): (string | number)[] => [name as string, target, ...rest];

/** In the order of their bytes. */
function shown(opened: OpenedStore, key: string): string[] {
  const isSorted = encodeReply(run(opened, 2, 'TYPE', key), 2).toString() === '+zset\r\n';
  const reply = isSorted ? runAtOnce(opened, 2, 'ZDIFF', 1, key, 'WITHSCORES') : runAtOnce(opened, 2, 'SUNION', key);
  const parts = encodeReply(reply, 2).toString().split('\r\n');
  return isSorted ? parts : parts.sort();
}

for (const words of stores)
  test(`${words.join(' ')} stores what it stores at once, also over one of its sources`, async (t) => {
    for (const [target, distant] of [
      ['k0', []],
      ['s', []],
      ['new', []],
      ['new', ['k0', 's']],
      ['k1', ['k2', 's']],
    ] as const) {
      const clock = new HandClock();
      const opened = await openInMemory({ clock });
      for (const [index, each] of stored.entries()) fill(opened, `k${index}`, each);
      fill(opened, 's', { isSet: true, from: 700, count: 2700, scores: [] });
      const expected = runAtOnce(opened, 2, ...into('expected', words));
      const { reply, slices } = runPrepared(opened, into(target, words), undefined, await broughtOf(opened, distant));
      t.is(reply, expected);
      t.true(slices > 10, `${slices} slices`);
      t.deepEqual(shown(opened, target), shown(opened, 'expected'));
      await nothingIsHeld(t, opened, clock);
      await opened.close();
    }
  });

test('what changes while a STORE is prepared is in what it stores', async (t) => {
  const changes: readonly (readonly (string | number)[])[] = [
    ['ZADD', 'k0', 77, 'new'],
    ['ZREM', 'k0', 5],
    ['ZINCRBY', 'k2', 1, 1001],
    ['SADD', 'k1', 'new'],
    ['SREM', 'k1', 2001],
    ['DEL', 'k1'],
  ];
  for (const change of changes) {
    for (const words of stores.slice(0, 3)) {
      const opened = await openInMemory();
      for (const [index, each] of stored.entries()) fill(opened, `k${index}`, each);
      let slices = 0;
      const { reply } = runPrepared(opened, into('target', words), () => {
        if (++slices === 10) run(opened, 2, ...change);
      });
      t.true(slices > 10);
      t.is(reply, runAtOnce(opened, 2, ...into('expected', words)), `${words.join(' ')}, ${change.join(' ')}`);
      t.deepEqual(shown(opened, 'target'), shown(opened, 'expected'), `${words.join(' ')}, ${change.join(' ')}`);
      t.false(opened.store.partition(0).collections.hasSnapshots);
      await opened.close();
    }
  }
});
