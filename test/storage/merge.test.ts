import test from 'ava';
import fc from '../harness/properties.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import {
  deletionTerm,
  emptyClock,
  encodeRecord,
  isPlainWithin,
  versionKind,
  type PlainVersion,
  type VectorClock,
  type VersionedRecord,
} from '../../protocol/record.js';
import {
  applyCut,
  deleting,
  effectiveContext,
  emptyRecord,
  mergeFromPeer,
  mergeRecords,
  newestTerm,
  recordCovers,
  recordsEqual,
  recordVersion,
  replacing,
  underCut,
  withoutVersions,
} from '../../storage/merge.js';
import { clockFromDots, clocksEqual, covers, coversClock, maxClock, plusDot, withoutActor } from '../../storage/vector-clock.js';
import { clocks, records } from '../protocol/records.js';
import { pools, threeOfOnePool } from './record-pool.js';

const runs = { numRuns: 3000 };
const plain = (actor: number, counter: number): PlainVersion => ({
  kind: versionKind.plain,
  actor,
  counter,
  term: 0,
  expiresAtMs: 0,
  bytes: Buffer.from(`${actor}:${counter}`),
});
const clock = (...entries: [actor: number, counter: number][]): VectorClock => new Map(entries);
const record = (context: VectorClock, ...versions: PlainVersion[]): VersionedRecord => ({ context, versions });

/** The rule as ARCHITECTURE.md words it, without fast paths or normal form. */
function mergedPlainly(x: VersionedRecord, y: VersionedRecord): { context: VectorClock; dots: string[] } {
  const one = effectiveContext(x);
  const other = effectiveContext(y);
  const name = (dot: { actor: number; counter: number }): string => `${dot.actor}:${dot.counter}`;
  const inX = new Set(x.versions.map(name));
  const inY = new Set(y.versions.map(name));
  const deletedIn = Math.max(x.context.get(deletionTerm) ?? 0, y.context.get(deletionTerm) ?? 0);
  const stay = [
    ...x.versions.filter((version) => inY.has(name(version)) || !covers(other, version)),
    ...y.versions.filter((version) => !inX.has(name(version)) && !covers(one, version)),
  ].filter(({ term }) => term >= deletedIn);
  return { context: maxClock(one, other), dots: stay.map(name).sort() };
}

test('merging follows the rule', (t) => {
  fc.assert(
    fc.property(threeOfOnePool, ([x, y]) => {
      const merged = mergeRecords(x, y);
      const plainly = mergedPlainly(x, y);
      const dots = merged.versions.map((version) => `${version.actor}:${version.counter}`).sort();
      return clocksEqual(effectiveContext(merged), plainly.context) && dots.join() === plainly.dots.join();
    }),
    runs,
  );
  t.pass();
});

test('merging is commutative, associative and idempotent', (t) => {
  fc.assert(
    fc.property(
      threeOfOnePool,
      ([x, y, z]) =>
        recordsEqual(mergeRecords(x, y), mergeRecords(y, x)) &&
        recordsEqual(mergeRecords(mergeRecords(x, y), z), mergeRecords(x, mergeRecords(y, z))) &&
        recordsEqual(mergeRecords(x, x), x) &&
        recordsEqual(mergeRecords(mergeRecords(x, y), y), mergeRecords(x, y)),
    ),
    runs,
  );
  t.pass();
});

test('every reachable record is in normal form', (t) => {
  fc.assert(
    fc.property(pools, ({ all }) =>
      all.every(({ context, versions }) =>
        versions.every((version, i) => {
          const before = versions[i - 1];
          const isInOrder = before === undefined || before.actor < version.actor;
          return (
            isInOrder && (context.get(version.actor) ?? Infinity) > version.counter && version.term >= (context.get(deletionTerm) ?? 0)
          );
        }),
      ),
    ),
    runs,
  );
  t.pass();
});

test('tokens are equal for equal records only', (t) => {
  fc.assert(
    fc.property(threeOfOnePool, ([x, y]) => recordVersion(x).equals(recordVersion(y)) === recordsEqual(x, y)),
    runs,
  );
  t.is(recordVersion(undefined).length, 0);
  t.is(recordVersion(emptyRecord).length, 0);
  t.is(recordVersion(record(emptyClock, plain(0x10001, 2))).toString('hex'), '000100010000000000000002');
  t.is(recordVersion(record(clock([1, 2]))).toString('hex'), '0001' + '000000010000000000000002');
});

test('an overwrite takes the fast path: the newer record itself', (t) => {
  const older = record(emptyClock, plain(1, 1));
  for (const newer of [replacing(older, plain(1, 2)), replacing(older, plain(2, 1)), deleting(older, { actor: 2, counter: 1 })]) {
    t.is(mergeRecords(older, newer), newer);
    t.is(mergeRecords(newer, older), newer);
  }
});

test('concurrent writes both stay, until a write has seen both', (t) => {
  const both = mergeRecords(record(emptyClock, plain(2, 5)), record(emptyClock, plain(1, 9)));
  t.deepEqual(both, record(emptyClock, plain(1, 9), plain(2, 5)));
  t.deepEqual(replacing(both, plain(1, 10)), record(clock([2, 5]), plain(1, 10)));
  t.deepEqual(mergeRecords(both, replacing(both, plain(1, 10))), record(clock([2, 5]), plain(1, 10)));
});

test('a write that is below what its actor wrote is a bug', (t) => {
  t.throws(() => replacing(record(emptyClock, plain(1, 5)), plain(1, 4)), { message: /below/ });
  t.throws(() => replacing(record(clock([1, 5])), plain(1, 4)), { message: /below/ });
  t.throws(() => deleting(record(clock([1, 5])), { actor: 1, counter: 4 }), { message: /below/ });
});

test('without its versions a record has seen the same, and a write over it covers them', (t) => {
  const both = record(clock([3, 1]), plain(1, 9), plain(2, 5));
  t.deepEqual(withoutVersions(both), record(clock([3, 1], [1, 9], [2, 5])));
  t.deepEqual(mergeRecords(both, replacing(withoutVersions(both), plain(1, 10))), record(clock([3, 1], [2, 5]), plain(1, 10)));
});

test('a cut removes what it covers, and what was seen stays', (t) => {
  fc.assert(
    fc.property(threeOfOnePool, ([x, y]) => {
      const cut = effectiveContext(y);
      const after = applyCut(x, cut);
      return clocksEqual(effectiveContext(after), effectiveContext(x)) && after.versions.every((version) => !covers(cut, version));
    }),
    runs,
  );
  const both = record(emptyClock, plain(1, 9), plain(2, 5));
  t.deepEqual(applyCut(both, clock([2, 5])), record(clock([2, 5]), plain(1, 9)));
  t.is(applyCut(both, clock([2, 4])), both);
});

test('under a deletion that is kept nothing is stored that it says, and any order of what came leaves the same', (t) => {
  const cut = clock([1, 3], [2, 5]);
  t.is(underCut(record(clock([1, 3]), plain(2, 4)), cut), emptyRecord);
  t.deepEqual(underCut(record(clock([1, 3], [3, 1]), plain(2, 9)), cut), record(clock([3, 1]), plain(2, 9)));
  t.deepEqual(underCut(record(clock([1, 3]), plain(2, 9)), cut), record(emptyClock, plain(2, 9)));
  t.deepEqual(
    underCut(record(clock([1, 3], [deletionTerm, 7]), plain(2, 9)), cut),
    record(emptyClock, plain(2, 9)),
    'its term goes with it',
  );
  const apart = record(clock([1, 4], [deletionTerm, 7]), plain(2, 9));
  t.is(underCut(apart, cut), apart);
  fc.assert(
    fc.property(threeOfOnePool, (three) => {
      const [x, y, z] = three.map((each) => record(withoutActor(each.context, deletionTerm), ...(each.versions as PlainVersion[])));
      if (x === undefined || y === undefined || z === undefined) return false;
      const deletion = effectiveContext(z);
      const afterwards = underCut(mergeRecords(x, y), deletion);
      return (
        recordsEqual(underCut(mergeRecords(underCut(x, deletion), y), deletion), afterwards) &&
        recordsEqual(underCut(mergeRecords(underCut(x, deletion), underCut(y, deletion)), deletion), afterwards) &&
        underCut(afterwards, deletion) === afterwards
      );
    }),
    runs,
  );
});

test('of an encoded record is told whether it is one plain version of which a cut leaves nothing', (t) => {
  const writer = new ByteWriter();
  const told = { within: 0, not: 0 };
  fc.assert(
    fc.property(records, fc.boolean(), clocks, fc.integer({ min: -1, max: 1 }), (any, isBare, others, by) => {
      const of = isBare ? { context: emptyClock, versions: any.versions.slice(0, 1) } : any;
      const [only] = of.versions;
      const isPlain = of.context.size === 0 && of.versions.length === 1 && only?.kind === versionKind.plain;
      const cut = only === undefined ? others : new Map(others).set(only.actor, Math.max(0, only.counter + by));
      encodeRecord(writer, of);
      const isWithin = isPlainWithin(writer.take(), cut);
      told[isWithin ? 'within' : 'not']++;
      return isWithin ? underCut(of, cut) === emptyRecord : !isPlain || by < 0;
    }),
    runs,
  );
  t.true(told.within > 100 && told.not > 100, JSON.stringify(told));
});

test('a covered version that is not held is taken from a peer that has seen all that was forgotten, and from no other', (t) => {
  const lost = record(emptyClock, plain(1, 3));
  const judged = { seen: clock([1, 7]), purged: clock([2, 4]), cut: emptyClock };
  t.is(mergeFromPeer(undefined, lost, { ...judged, peerSeen: clock([1, 9], [2, 3]) }), 'discard');
  t.deepEqual(mergeFromPeer(undefined, lost, { ...judged, peerSeen: clock([2, 4]) }), { record: lost, wasLost: true });
});

test('a peer that is behind may still bring what is new here, and what is held', (t) => {
  const judged = { seen: clock([1, 7]), peerSeen: emptyClock, purged: clock([2, 4]), cut: emptyClock };
  const unseen = record(emptyClock, plain(1, 8));
  t.deepEqual(mergeFromPeer(undefined, unseen, judged), { record: unseen, wasLost: false });
  const held = record(emptyClock, plain(1, 3));
  t.deepEqual(mergeFromPeer(held, held, judged), { record: held, wasLost: false });
  const removed = record(clock([1, 3]));
  t.deepEqual(mergeFromPeer(removed, held, judged), { record: removed, wasLost: false });
});

test('what a peer sends is cut like all else', (t) => {
  const judged = { seen: emptyClock, peerSeen: emptyClock, purged: emptyClock, cut: clock([1, 3]) };
  t.deepEqual(mergeFromPeer(undefined, record(emptyClock, plain(1, 3)), judged), { record: record(clock([1, 3])), wasLost: false });
});

test('clocks: the maximum covers both and nothing beyond', (t) => {
  fc.assert(
    fc.property(clocks, clocks, (x, y) => {
      const max = maxClock(x, y);
      const at = (clock: VectorClock, actor: number): number => clock.get(actor) ?? 0;
      return [...max.keys(), ...x.keys(), ...y.keys()].every((actor) => at(max, actor) === Math.max(at(x, actor), at(y, actor)));
    }),
  );
  t.pass();
});

test('clocks: covering, dots and equality', (t) => {
  const x = clock([1, 5], [2, 3]);
  t.true(covers(x, { actor: 1, counter: 5 }));
  t.false(covers(x, { actor: 1, counter: 6 }));
  t.false(covers(emptyClock, { actor: 1, counter: 1 }));
  t.true(coversClock(x, clock([2, 3])));
  t.false(coversClock(x, clock([2, 3], [3, 1])));
  t.deepEqual(plusDot(x, { actor: 3, counter: 1 }), clock([1, 5], [2, 3], [3, 1]));
  t.is(plusDot(x, { actor: 1, counter: 4 }), x);
  t.deepEqual(withoutActor(x, 1), clock([2, 3]));
  t.deepEqual(clockFromDots([plain(1, 2), plain(2, 3), plain(1, 5), plain(1, 4)]), x);
  t.true(clocksEqual(clock([2, 3], [1, 5]), x));
  t.false(clocksEqual(clock([1, 5], [2, 4]), x));
  t.false(clocksEqual(clock([1, 5]), x));
  t.true(recordCovers(record(clock([2, 3]), plain(1, 5)), { actor: 1, counter: 4 }));
  t.false(recordCovers(record(clock([2, 3]), plain(1, 5)), { actor: 2, counter: 4 }));
});

test('a deletion that says its term buries what it had not seen of older terms, in whatever order they meet', (t) => {
  const inTerm = (version: PlainVersion, term: number): PlainVersion => ({ ...version, term });
  const old = record(emptyClock, inTerm(plain(1, 1), 1));
  const stale = replacing(old, inTerm(plain(2, 20), 5)); // of a coordinator that was superseded, and has not seen the deletion
  const gone = deleting(old, { actor: 1, counter: 10 }, 7);
  const after = replacing(gone, inTerm(plain(1, 11), 7));
  for (const merged of [mergeRecords(stale, gone), mergeRecords(gone, stale)]) {
    t.deepEqual(merged.versions, []);
    t.true(recordCovers(merged, { actor: 2, counter: 20 }), 'it has been seen');
  }
  for (const merged of [mergeRecords(stale, after), mergeRecords(after, stale), mergeRecords(mergeRecords(stale, gone), after)])
    t.deepEqual(merged.versions, after.versions);
  t.deepEqual(replacing(gone, inTerm(plain(2, 21), 5)).versions, [], 'nor does it outlive one that it has seen');
  // Of a newer term, or beside a deletion that says none, an update lives.
  t.is(mergeRecords(replacing(old, inTerm(plain(2, 20), 8)), gone).versions.length, 1);
  t.is(mergeRecords(stale, deleting(old, { actor: 1, counter: 10 })).versions.length, 1);
});

test('the newest term that a record tells of is that of a version, with its actor, or of a deletion, with none', (t) => {
  t.deepEqual(newestTerm(emptyRecord), { counter: 0, actor: 0 });
  t.deepEqual(newestTerm(record(clock([7, 90]))), { counter: 0, actor: 0 }, 'counters are no terms');
  t.deepEqual(newestTerm(record(clock([deletionTerm, 5], [7, 90]))), { counter: 5, actor: 0 });
  const versions = [3, 9, 4].map((term, i) => ({ ...plain(i + 1, 10), term }));
  t.deepEqual(newestTerm(record(clock([deletionTerm, 3]), ...versions)), { counter: 9, actor: 2 });
  t.deepEqual(newestTerm(record(emptyClock, { ...plain(1, 10), term: 6 }, { ...plain(2, 10), term: 6 })), { counter: 6, actor: 2 });
  t.deepEqual(newestTerm(deleting(record(emptyClock, ...versions), { actor: 1, counter: 20 }, 12)), { counter: 12, actor: 0 });
});
