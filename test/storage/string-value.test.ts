import test from 'ava';
import fc from '../harness/properties.js';
import { emptyClock, noBase, versionKind, type CounterVersion, type PlainVersion, type VersionedRecord } from '../../protocol/record.js';
import { deleting, emptyRecord, mergeRecords, recordsEqual, replacing, withoutVersions } from '../../storage/merge.js';
import { incremented, int64Max, int64Min, parseInteger, shownString, withExpiry } from '../../storage/string-value.js';
import { pools } from './record-pool.js';

/** Actor, counter; the term is the counter unless said. */
const plain = (actor: number, counter: number, text: string, expiresAtMs = 0, term = counter): PlainVersion => ({
  kind: versionKind.plain,
  actor,
  counter,
  term,
  expiresAtMs,
  bytes: Buffer.from(text),
});
const one = (version: PlainVersion | CounterVersion): VersionedRecord => ({ context: emptyClock, versions: [version] });
const shown = (record: VersionedRecord): string | undefined => shownString(record)?.bytes.toString();

function increment(
  record: VersionedRecord | undefined,
  actor: number,
  counter: number,
  by: bigint,
): { record: VersionedRecord; value: bigint } {
  const result = incremented(record, { actor, counter }, counter, by);
  if (typeof result === 'string') throw new Error(result);
  return result;
}

test('of concurrent values the latest is shown: by term, then actor, then counter', (t) => {
  const show = (x: PlainVersion, y: PlainVersion): string | undefined => shown(mergeRecords(one(x), one(y)));
  t.is(show(plain(1, 9, 'old term', 0, 3), plain(2, 5, 'new term', 0, 4)), 'new term');
  t.is(show(plain(1, 9, 'low', 0, 3), plain(2, 5, 'high', 0, 3)), 'high');
  t.is(shown(emptyRecord), undefined);
});

test('a plain value is shown as it is, sharing its bytes', (t) => {
  const version = plain(1, 2, '007', 99);
  const result = shownString(one(version));
  t.is(result?.bytes, version.bytes);
  t.is(result?.expiresAtMs, 99);
  t.is(result?.latest, version);
});

test('increments of two actors on one value add up, and its text is folded in', (t) => {
  const ten = one(plain(1, 1, '10', 77));
  const b = increment(ten, 2, 2, 1n);
  const c = increment(ten, 3, 3, 5n);
  t.is(b.value, 11n);
  const merged = mergeRecords(mergeRecords(ten, b.record), c.record);
  t.is(shown(merged), '16');
  t.is(shownString(merged)?.expiresAtMs, 77);
  t.deepEqual(b.record.versions[0], {
    kind: versionKind.counter,
    actor: 2,
    counter: 2,
    term: 2,
    expiresAtMs: 77,
    base: { actor: 1, counter: 1, term: 1 },
    amount: 10n,
    sum: 1n,
  });
  t.is(increment(merged, 2, 4, 1n).value, 17n);
});

test('counting from nothing, before and after a deletion', (t) => {
  const first = increment(undefined, 1, 1, 3n);
  t.deepEqual(first.record.versions[0], {
    kind: versionKind.counter,
    actor: 1,
    counter: 1,
    term: 1,
    expiresAtMs: 0,
    base: noBase,
    amount: 0n,
    sum: 3n,
  });
  const gone = mergeRecords(first.record, deleting(first.record, { actor: 2, counter: 2 }));
  const again = increment(gone, 3, 3, 4n);
  t.is(again.value, 4n);
  t.is(shown(mergeRecords(gone, again.record)), '4');
  t.is(shown(mergeRecords(first.record, again.record)), '4');
});

test('an increment alone brings all its writer saw: the value it stands on is gone wherever it arrives', (t) => {
  const ten = one(plain(1, 1, '10'));
  const first = mergeRecords(ten, increment(ten, 2, 2, 1n).record);
  const second = increment(first, 2, 3, 1n).record;
  t.true(recordsEqual(mergeRecords(ten, second), mergeRecords(first, second)));
});

test('what has expired is counted from nothing again', (t) => {
  const expired = mergeRecords(one(plain(1, 1, '10', 5)), increment(one(plain(1, 1, '10', 5)), 2, 2, 1n).record);
  const again = increment(withoutVersions(expired), 3, 3, 4n);
  t.is(again.value, 4n);
  const merged = mergeRecords(expired, again.record);
  t.is(shown(merged), '4');
  t.is(shownString(merged)?.expiresAtMs, 0);
});

test('a later value hides sums on an earlier one, and the next increment drops them', (t) => {
  const ten = one(plain(1, 1, '10'));
  const old = increment(ten, 2, 2, 1n).record;
  const set = replacing(ten, plain(3, 3, '50'));
  const both = mergeRecords(old, set);
  t.is(both.versions.length, 2);
  t.is(shown(both), '50');
  const next = increment(both, 2, 4, 1n);
  t.is(next.value, 51n);
  t.is(mergeRecords(both, next.record).versions.length, 1);
});

test('what is not an integer, and what would overflow, is refused', (t) => {
  t.is(incremented(one(plain(1, 1, ' 1')), { actor: 1, counter: 2 }, 2, 1n), 'not-an-integer');
  t.is(incremented(one(plain(1, 1, String(int64Max))), { actor: 1, counter: 2 }, 2, 1n), 'overflow');
  t.is(incremented(one(plain(1, 1, String(int64Min))), { actor: 1, counter: 2 }, 2, -1n), 'overflow');
  t.is(incremented(undefined, { actor: 1, counter: 2 }, 2, int64Max + 1n), 'overflow');
  t.is(increment(one(plain(1, 1, String(int64Min))), 1, 2, int64Max).value, -1n);
});

test('an increment that is below what its actor wrote is a bug', (t) => {
  const counted = increment(undefined, 1, 5, 3n).record;
  t.throws(() => incremented(counted, { actor: 1, counter: 4 }, 5, 1n), { message: /below/ });
  t.throws(() => withExpiry(counted, { actor: 1, counter: 4 }, 5, 1), { message: /below/ });
});

test('a merged sum beyond 64 bits shows the nearest, and can be counted down from there', (t) => {
  const high = one(plain(1, 1, String(int64Max - 1n)));
  const merged = mergeRecords(increment(high, 2, 2, 1n).record, increment(high, 3, 3, 1n).record);
  t.is(shown(merged), String(int64Max));
  t.is(incremented(merged, { actor: 2, counter: 4 }, 4, 1n), 'overflow');
  const down = increment(merged, 2, 4, -5n);
  t.is(down.value, int64Max - 5n);
  t.is(shown(mergeRecords(merged, down.record)), String(int64Max - 5n));
});

test("an actor's sum that leaves 64 bits becomes a new base", (t) => {
  let record = one(plain(1, 1, String(int64Min)));
  for (const [counter, value] of [
    [2, -1n],
    [3, int64Max - 1n],
  ] as const) {
    const next = increment(record, 2, counter, int64Max);
    t.is(next.value, value);
    record = mergeRecords(record, next.record);
    t.is(shown(record), String(value));
  }
});

test('integers are read as Redis reads them', (t) => {
  for (const text of ['0', '1', '-1', '10', '9007199254740993', '-9007199254740993', String(int64Max), String(int64Min)]) {
    t.is(parseInteger(Buffer.from(text)), BigInt(text), text);
  }
  const refused = [
    '',
    '-',
    '-0',
    '+1',
    '01',
    '-01',
    ' 1',
    '1 ',
    '1.0',
    '1e3',
    '0x1',
    '1_0',
    String(int64Max + 1n),
    String(int64Min - 1n),
    '1'.repeat(21),
  ];
  for (const text of refused) t.is(parseInteger(Buffer.from(text)), undefined, text);
  fc.assert(fc.property(fc.bigInt({ min: int64Min, max: int64Max }), (value) => parseInteger(Buffer.from(String(value))) === value));
});

test('an expiry of a plain value replaces all; of a counter it leaves concurrent sums', (t) => {
  const ten = one(plain(1, 1, '10'));
  const expiring = withExpiry(ten, { actor: 2, counter: 2 }, 2, 500)!;
  t.deepEqual(expiring, { context: new Map([[1, 1]]), versions: [plain(2, 2, '10', 500)] });
  const counted = mergeRecords(ten, increment(ten, 1, 2, 1n).record);
  const concurrent = increment(counted, 3, 4, 5n).record;
  const timed = withExpiry(counted, { actor: 2, counter: 5 }, 5, 500)!;
  const merged = mergeRecords(mergeRecords(counted, timed), concurrent);
  t.is(shown(merged), '16');
  t.is(shownString(merged)?.expiresAtMs, 500);
  const persisted = mergeRecords(merged, withExpiry(merged, { actor: 1, counter: 6 }, 6, 0)!);
  t.is(shown(persisted), '16');
  t.is(shownString(persisted)?.expiresAtMs, 0);
  t.is(withExpiry(emptyRecord, { actor: 1, counter: 1 }, 1, 5), undefined);
});

test('an increment shows the same merged as it answered, in any reachable record', (t) => {
  fc.assert(
    fc.property(pools, fc.nat(), fc.nat(3), fc.integer(), ({ all }, at, actor, by) => {
      const before = all[at % all.length]!;
      const result = incremented(before, { actor: actor + 1, counter: 1000 }, 1000, BigInt(by));
      const text = shown(before);
      if (typeof result === 'string')
        return result === 'not-an-integer' && text !== undefined && parseInteger(Buffer.from(text)) === undefined;
      const merged = mergeRecords(before, result.record);
      return shown(merged) === String(result.value) && result.value === BigInt(text ?? '0') + BigInt(by);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('every write is seen in what its writer holds after it, and adds nothing twice', (t) => {
  fc.assert(
    fc.property(pools, ({ writes }) =>
      writes.every(({ before, written }) => {
        const after = mergeRecords(before, written);
        return recordsEqual(mergeRecords(after, written), after) && recordsEqual(mergeRecords(before, after), after);
      }),
    ),
    { numRuns: 500 },
  );
  t.pass();
});

/** What a replica of one counter knows, as plain sets of operations: the oracle. */
interface Knowledge {
  readonly sets: ReadonlyMap<number, bigint>;
  /** By counter: on which set it stands, who added it, how much. */
  readonly additions: ReadonlyMap<number, { readonly base: number; readonly actor: number; readonly by: bigint }>;
}

const knowsNothing: Knowledge = { sets: new Map(), additions: new Map() };

function join(x: Knowledge, y: Knowledge): Knowledge {
  return { sets: new Map([...x.sets, ...y.sets]), additions: new Map([...x.additions, ...y.additions]) };
}

/** The latest set is the highest counter here, since every write takes a term of its own. */
function winner({ sets }: Knowledge): number {
  return Math.max(0, ...sets.keys());
}

function total(known: Knowledge): bigint {
  const base = winner(known);
  return [...known.additions.values()].reduce(
    (sum, addition) => (addition.base === base ? sum + addition.by : sum),
    known.sets.get(base) ?? 0n,
  );
}

test('no increment on the winning value is lost and none counts twice, whatever was set, delivered and merged in whatever order', (t) => {
  const step = fc.record({
    kind: fc.constantFrom('set', 'add', 'add', 'add', 'expire', 'merge', 'deliver', 'deliver'),
    actor: fc.nat(3),
    other: fc.nat(),
    by: fc.integer({ min: -50, max: 50 }),
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
        const dot = { actor: actor + 1, counter };
        const { record, known } = held[actor]!;
        const base = winner(known);
        /** What an increment's record says by itself: its base, and all that its actor added to that. */
        const additions = new Map([...known.additions].filter(([, addition]) => addition.base === base && addition.actor === actor));
        const sets = new Map(base === 0 ? [] : [[base, known.sets.get(base)!]]);
        if (kind === 'set') {
          const written = replacing(record, plain(dot.actor, counter, String(by)));
          sent.push({ record: written, known: { sets: new Map([[counter, BigInt(by)]]), additions: new Map() } });
        } else if (kind === 'add') {
          additions.set(counter, { base, actor, by: BigInt(by) });
          sent.push({ record: increment(record, dot.actor, counter, BigInt(by)).record, known: { sets, additions } });
        } else if (kind === 'expire') {
          const written = withExpiry(record, dot, counter, 10);
          if (written === undefined) return;
          const isCounter = written.versions[0]!.kind === versionKind.counter;
          const asSet = { sets: new Map([[counter, total(known)]]), additions: new Map<number, never>() };
          sent.push({ record: written, known: isCounter ? { sets, additions } : asSet });
        }
        if (kind === 'merge') take(actor, held[other % held.length]!);
        else if (kind !== 'deliver') take(actor, sent.at(-1)!);
        else if (sent.length > 0) take(actor, sent[other % sent.length]!);
      });
      for (const { record, known } of held) {
        if ((shown(record) ?? '0') !== String(total(known))) return false;
      }
      const all = held.reduce((x, y) => ({ record: mergeRecords(x.record, y.record), known: join(x.known, y.known) }));
      return (shown(all.record) ?? '0') === String(total(all.known));
    }),
    { numRuns: 3000 },
  );
  t.pass();
});
