import test from 'ava';
import fc from '../harness/properties.js';
import { emptyClock, versionKind, type PlainVersion, type TallyVersion, type VersionedRecord } from '../../protocol/record.js';
import { exactSum } from '../../storage/exact-sum.js';
import { emptyRecord, deleting, mergeRecords, replacing } from '../../storage/merge.js';
import { decodeScore, encodeScore, scoreIncremented, shownScore } from '../../storage/score-value.js';
import { shownValue } from '../../storage/shown-value.js';

const plain = (actor: number, counter: number, score: number): PlainVersion => ({
  kind: versionKind.plain,
  actor,
  counter,
  term: counter,
  expiresAtMs: 0,
  bytes: encodeScore(score),
});
const one = (version: PlainVersion): VersionedRecord => ({ context: emptyClock, versions: [version] });
const shown = (record: VersionedRecord): number | undefined => shownScore(record.versions)?.score;

/** As the replica has it that wrote it; `record` stays as it is where the score does. */
function increment(record: VersionedRecord, actor: number, counter: number, by: number): { record: VersionedRecord; score: number } {
  const result = scoreIncremented(record, { actor, counter }, counter, by);
  if (result === 'not-a-number') throw new Error(result);
  return { record: result.record === undefined ? record : mergeRecords(record, result.record), score: result.score };
}

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
/** Near one another, so that rounding shows. */
const near = fc.oneof(
  fc.constantFrom(0.1, 0.2, 0.3, -0.1, 1, -1, 1e16, -1e16, 2 ** 53, 1e-20, 5e-324, 1e300, -1e300, 0, -0),
  fc.double({ min: -1e3, max: 1e3, noNaN: true }),
);

/** The exact sum in units of 2^-1074, rounded by the runtime's own conversion. */
function referenceSum(terms: readonly number[]): number {
  const unitsOf = (term: number): bigint => {
    const bits = Buffer.alloc(8);
    bits.writeDoubleBE(term);
    const word = bits.readBigUInt64BE();
    const exponent = (word >> 52n) & 0x7ffn;
    const fraction = word & ((1n << 52n) - 1n);
    const size = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
    return word >> 63n === 1n ? -size : size;
  };
  const units = terms.reduce((sum, term) => sum + unitsOf(term), 0n);
  if (units === 0n) return 0;
  const size = units < 0n ? -units : units;
  const shift = BigInt(Math.max(0, size.toString(2).length - 1000));
  const sticky = (size & ((1n << shift) - 1n)) === 0n ? 0n : 1n; // far below the last bit: it only breaks ties
  const value = Number((size >> shift) | sticky) * 2 ** -537 * 2 ** (Number(shift) - 537);
  return units < 0n ? -value : value;
}

test('sums are exact and rounded once, in whatever order', (t) => {
  t.is(exactSum([1e16, 1, -1e16]), 1);
  t.is(exactSum([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]), 1);
  t.is(exactSum([2 ** 53, 1, 2 ** -60]), 2 ** 53 + 2);
  t.true(Object.is(exactSum([-0, -0]), -0));
  t.true(Object.is(exactSum([-0, 0]), 0));
  t.is(exactSum([1e308, 1e308]), Infinity);
  t.is(exactSum([1e300, 1e16, -1e300, -1e16]), 0); // nothing is left, though one after the other they make -1e16
  fc.assert(
    fc.property(fc.array(near, { maxLength: 8 }), (terms) => {
      const sum = exactSum(terms);
      return sum === exactSum(terms.toReversed()) && sum === referenceSum(terms);
    }),
    { numRuns: 5000 },
  );
});

test('a node that has the increments to itself answers as Redis does, which rounds after each', (t) => {
  const first = increment(one(plain(1, 1, 0.1)), 1, 2, 0.2);
  t.is(increment(first.record, 1, 3, 0.2).score, 0.1 + 0.2 + 0.2);
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ add: near }) },
    { weight: 1, arbitrary: fc.record({ set: fc.oneof(near, fc.constantFrom(Infinity, -Infinity)) }) },
    { weight: 1, arbitrary: fc.record({ add: fc.oneof(finite, fc.constantFrom(Infinity, -Infinity)) }) },
    { weight: 1, arbitrary: fc.record({ remove: fc.constant(true) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let record = emptyRecord;
      let score: number | undefined;
      steps.forEach((each, i) => {
        const dot = { actor: 1, counter: i + 1 };
        if ('set' in each) {
          record = replacing(record, plain(1, i + 1, each.set));
          score = each.set + 0;
        } else if ('remove' in each) {
          record = deleting(record, dot);
          score = undefined;
        } else {
          const result = scoreIncremented(record, dot, i + 1, each.add);
          const expected = score === undefined ? each.add : score + each.add;
          if (result === 'not-a-number') {
            if (!Number.isNaN(expected)) throw new Error(`${score} + ${each.add} is taken for no number`);
            return;
          }
          if (!Object.is(result.score, expected)) throw new Error(`${score} + ${each.add}: ${result.score}, not ${expected}`);
          if (result.record === undefined) return; // Redis leaves the score as it is, too
          record = mergeRecords(record, result.record);
          score = expected + 0; // -0 is answered, and kept as 0
        }
        if (!Object.is(shown(record), score)) throw new Error(`shows ${shown(record)}, not ${score}`);
      });
      return true;
    }),
    { numRuns: 5000 },
  );
});

test('concurrent increments add up, on the latest base; an add wins over a removal that had not seen it', (t) => {
  const base = one(plain(1, 1, 10));
  const here = increment(base, 2, 2, 0.1);
  const there = increment(base, 3, 2, 0.2);
  const both = mergeRecords(here.record, there.record);
  t.is(shown(both), exactSum([10, 10.1, -10, 10.2, -10])); // each side has answered what it rounded
  t.is(shown(mergeRecords(there.record, here.record)), shown(both));
  t.is(shown(mergeRecords(both, one(plain(4, 9, 5)))), 5);
  t.is(shown(mergeRecords(deleting(base, { actor: 4, counter: 9 }), there.record)), 10.2);
  t.is(shown(deleting(both, { actor: 4, counter: 9 })), undefined);
  const fromNothing = mergeRecords(increment(emptyRecord, 1, 1, 1).record, increment(emptyRecord, 2, 1, 1).record);
  t.is(shown(fromNothing), 2);
  t.is(decodeScore(shownValue(fromNothing)?.bytes as Buffer), 2);
  t.is((fromNothing.versions[0] as TallyVersion).kind, versionKind.tally);
});

test('what is no finite sum is a new base', (t) => {
  const kindOf = ({ versions }: VersionedRecord): number | undefined => versions[0]?.kind;
  t.is(kindOf(increment(one(plain(1, 1, 1)), 1, 2, Infinity).record), versionKind.plain);
  t.is(kindOf(increment(emptyRecord, 1, 1, -Infinity).record), versionKind.plain);
  t.is(kindOf(increment(one(plain(1, 1, 1e308)), 1, 2, 1e308).record), versionKind.plain);
  t.is(increment(one(plain(1, 1, Infinity)), 1, 2, 5).score, Infinity);
  t.is(scoreIncremented(one(plain(1, 1, Infinity)), { actor: 1, counter: 2 }, 2, -Infinity), 'not-a-number');
});

interface Known {
  /** Score by the counter of the ZADD that set it; 0 is absence. */
  readonly sets: ReadonlyMap<number, number>;
  readonly additions: ReadonlyMap<number, { readonly base: number; readonly by: number; readonly actor: number }>;
}
const knowsNothing: Known = { sets: new Map(), additions: new Map() };
const join = (x: Known, y: Known): Known => ({
  sets: new Map([...x.sets, ...y.sets]),
  additions: new Map([...x.additions, ...y.additions]),
});
const winner = ({ sets }: Known): number => Math.max(0, ...sets.keys());
const total = (known: Known): number => {
  const base = winner(known);
  return [...known.additions.values()].filter((each) => each.base === base).reduce((sum, { by }) => sum + by, known.sets.get(base) ?? 0);
};

test('in every history of sets, increments, deliveries and merges the score is the latest base and what was added to it', (t) => {
  const step = fc.record({
    kind: fc.constantFrom('set', 'add', 'add', 'deliver', 'merge'),
    actor: fc.nat(3),
    other: fc.nat(30),
    by: fc.integer({ min: -1000, max: 1000 }).map((quarters) => quarters / 4 || 1), // exact however they are added
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (list) => {
      const held = Array.from({ length: 4 }, () => ({ record: emptyRecord, known: knowsNothing }));
      const sent: (typeof held)[number][] = [];
      const take = (actor: number, what: (typeof held)[number]): void => {
        const mine = held[actor]!;
        held[actor] = { record: mergeRecords(mine.record, what.record), known: join(mine.known, what.known) };
      };
      list.forEach(({ kind, actor, other, by }, i) => {
        const counter = i + 1;
        const { record, known } = held[actor]!;
        if (kind === 'set') {
          sent.push({
            record: replacing(record, plain(actor + 1, counter, by)),
            known: { sets: new Map([[counter, by]]), additions: new Map() },
          });
        } else if (kind === 'add') {
          const base = winner(known);
          const own = [...known.additions].filter(([, addition]) => addition.base === base && addition.actor === actor);
          const sets = new Map(base === 0 ? [] : [[base, known.sets.get(base)!]]);
          const result = scoreIncremented(record, { actor: actor + 1, counter }, counter, by);
          if (result === 'not-a-number' || result.record === undefined) throw new Error('nothing was added');
          sent.push({ record: result.record, known: { sets, additions: new Map([...own, [counter, { base, by, actor }]]) } });
        }
        if (kind === 'merge') take(actor, held[other % held.length]!);
        else if (kind !== 'deliver') take(actor, sent.at(-1)!);
        else if (sent.length > 0) take(actor, sent[other % sent.length]!);
      });
      const all = held.reduce((x, y) => ({ record: mergeRecords(x.record, y.record), known: join(x.known, y.known) }));
      return [...held, all].every(({ record, known }) => (shown(record) ?? 0) === total(known));
    }),
    { numRuns: 3000 },
  );
  t.pass();
});
