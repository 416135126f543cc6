/** The join of HyperLogLogs: the greatest of each register, whatever the encodings, the order and the grouping; and what strings show of concurrent ones. */
import test from 'ava';
import fc from '../harness/properties.js';
import { emptyClock, versionKind, type PlainVersion, type VersionedRecord } from '../../protocol/record.js';
import { slotOf } from '../../protocol/slot.js';
import {
  denseBytes,
  emptyHyperLogLog,
  encodeDense,
  encodeRegisters,
  isHyperLogLog,
  joinHyperLogLogs,
  raiseRegisters,
  registerCount,
} from '../../storage/hyperloglog.js';
import { deleting, emptyRecord, mergeRecords } from '../../storage/merge.js';
import { incremented, shownString, withExpiry } from '../../storage/string-value.js';
import { command, openInMemory } from './store-fixtures.js';

type Registers = readonly (readonly [index: number, value: number])[];

const few: fc.Arbitrary<Registers> = fc.array(fc.tuple(fc.oneof(fc.nat(12), fc.nat(registerCount - 1)), fc.integer({ min: 1, max: 33 })), {
  maxLength: 30,
});
const many: fc.Arbitrary<Registers> = fc
  .tuple(fc.integer({ min: 500, max: 3000 }), fc.nat(registerCount - 1), fc.integer({ min: 1, max: 12 }))
  .map(([count, step, top]) => Array.from({ length: count }, (_, i) => [(i * (2 * step + 1)) % registerCount, (i % top) + 1] as const));
const anyRegisters = fc.oneof({ weight: 4, arbitrary: few }, { weight: 1, arbitrary: many });

const valueOf = (registers: Registers, asDense: boolean): Buffer => {
  const all = new Uint8Array(registerCount);
  for (const [index, value] of registers) all[index] = value;
  return asDense ? encodeDense(all) : encodeRegisters(all);
};
const values = fc.tuple(anyRegisters, fc.boolean()).map(([registers, asDense]) => valueOf(registers, asDense));

function registersOf(bytes: Buffer): Uint8Array {
  const registers = new Uint8Array(registerCount);
  if (!isHyperLogLog(bytes) || !raiseRegisters(registers, bytes)) throw new Error('no HyperLogLog');
  return registers;
}

const same = (x: Uint8Array, y: Uint8Array): boolean => Buffer.compare(x, y) === 0;

const plain = (actor: number, counter: number, bytes: Buffer, expiresAtMs = 0): PlainVersion => ({
  kind: versionKind.plain,
  actor,
  counter,
  term: counter,
  expiresAtMs,
  bytes,
});
const one = (version: PlainVersion): VersionedRecord => ({ context: emptyClock, versions: [version] });

test('registers come back from either encoding, and a value that is as short as Redis makes it', (t) => {
  fc.assert(
    fc.property(anyRegisters, fc.boolean(), (registers, asDense) => {
      const expected = new Uint8Array(registerCount);
      for (const [index, value] of registers) expected[index] = value;
      const bytes = valueOf(registers, asDense);
      t.true(same(registersOf(bytes), expected));
      t.true(bytes.length === denseBytes || bytes.length <= 3000);
    }),
    { numRuns: 200 },
  );
  t.is(emptyHyperLogLog.toString('hex'), `48594c4c01000000${'00'.repeat(7)}807fff`);
});

test('the join is the greatest of each register; commutative, associative and idempotent byte for byte', (t) => {
  fc.assert(
    fc.property(values, values, values, (x, y, z) => {
      const join = (...all: Buffer[]): Buffer => joinHyperLogLogs(all);
      const [a, b, c] = [x, y, z].map(registersOf) as [Uint8Array, Uint8Array, Uint8Array];
      const joined = join(x, y, z);
      const greatest = a.map((value, i) => Math.max(value, b[i] as number, c[i] as number));
      t.true(same(registersOf(joined), greatest));
      t.true(join(x, y).equals(join(y, x)));
      t.true(join(join(x, y), z).equals(join(x, join(y, z))));
      t.true(join(join(x, y), z).equals(joined));
      t.true(join(x, x).equals(x));
      t.true(join(joined, x).equals(joined), 'what is in it changes nothing');
    }),
    { numRuns: 150 },
  );
});

test('concurrent HyperLogLogs are shown joined, the same whatever the order in which records merge', (t) => {
  const versionsOf = fc.array(
    fc.tuple(
      fc.oneof({ weight: 4, arbitrary: values }, { weight: 1, arbitrary: fc.constant(Buffer.from('text')) }),
      fc.integer({ min: 1, max: 9 }),
    ),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  fc.assert(
    fc.property(versionsOf, fc.infiniteStream(fc.nat()), (list, chance) => {
      const versions = list.map(([bytes, counter], actor) => plain(actor + 1, counter, bytes, 1000 + counter));
      const merged = versions.map(one).reduce(mergeRecords, emptyRecord);
      const shuffled = versions
        .map((version) => [version, chance.next().value] as const)
        .toSorted(([, x], [, y]) => x - y)
        .map(([version]) => one(version));
      const again = [...shuffled, ...shuffled.slice(1)].reduce(mergeRecords, emptyRecord);
      const shown = shownString(merged);
      t.true(shown !== undefined && shownString(again)?.bytes.equals(shown.bytes));
      t.is(shownString(again)?.expiresAtMs, shown?.expiresAtMs);
      const latest = versions.reduce((best, version) => (version.counter >= best.counter ? version : best));
      t.is(shown?.expiresAtMs, latest.expiresAtMs);
      if (latest.bytes.toString() === 'text') t.is(shown?.bytes.toString(), 'text');
      else {
        const all = new Uint8Array(registerCount);
        for (const { bytes } of versions) if (isHyperLogLog(bytes)) raiseRegisters(all, bytes);
        t.true(same(registersOf(shown?.bytes ?? Buffer.alloc(0)), all));
      }
    }),
    { numRuns: 200 },
  );
});

test('a mix: the latest says what the key is; runs that do not add up are a text like any other', (t) => {
  const [x, y] = [valueOf([[1, 3]], false), valueOf([[2, 5]], true)];
  const text = Buffer.from('text');
  const broken = Buffer.concat([x, Buffer.from([0])]);
  const shown = (...versions: PlainVersion[]): Buffer | undefined =>
    shownString(versions.map(one).reduce(mergeRecords, emptyRecord))?.bytes;
  const both = joinHyperLogLogs([x, y]);
  t.deepEqual(shown(plain(1, 1, x), plain(2, 2, text), plain(3, 3, y)), both);
  t.deepEqual(shown(plain(1, 1, x), plain(2, 3, text), plain(3, 2, y)), text);
  t.deepEqual(shown(plain(1, 1, x), plain(2, 2, broken), plain(3, 3, y)), both);
  t.deepEqual(shown(plain(1, 1, x), plain(2, 3, broken), plain(3, 2, y)), broken);
  t.deepEqual(shown(plain(1, 1, text), plain(2, 3, y)), y);
});

test('an expiry and a deletion are of what is shown: they cover all that was joined', (t) => {
  const [x, y] = [valueOf([[1, 3]], false), valueOf([[2, 5]], false)];
  const record = mergeRecords(one(plain(1, 1, x)), one(plain(2, 2, y)));
  const joined = joinHyperLogLogs([x, y]);
  const expiring = withExpiry(record, { actor: 3, counter: 3 }, 3, 5000);
  const after = mergeRecords(record, expiring ?? emptyRecord);
  t.is(after.versions.length, 1);
  t.deepEqual(shownString(after)?.bytes, joined);
  t.is(shownString(after)?.expiresAtMs, 5000);
  t.is(incremented(record, { actor: 3, counter: 3 }, 3, 1n), 'not-an-integer');
  t.is(
    shownString(mergeRecords(after, deleting(record, { actor: 1, counter: 4 })))?.bytes.equals(joined),
    true,
    'a deletion that had not seen the expiry',
  );
  t.is(shownString(mergeRecords(after, deleting(after, { actor: 1, counter: 4 }))), undefined);
});

test('a store shows the join, the log of conflicts names the rule, and the next write covers both', async (t) => {
  const opened = await openInMemory();
  const { store } = opened;
  const key = Buffer.from('visitors');
  const [x, y] = [valueOf([[1, 3]], false), valueOf([[2, 5]], true)];
  const joined = joinHyperLogLogs([x, y]);
  const partition = store.partition(0);
  for (const record of [one(plain(0x2_0001, 10, x)), one(plain(0x3_0001, 20, y))]) {
    partition.merge(partition.findOrInsert(key, 0, key.length, slotOf(key)), record);
  }
  const [met] = store.conflicts.newest(1);
  t.is(met?.type, 'hyperloglog');
  t.is(met?.rule, 'the greatest of each register, of all that are HyperLogLogs as the latest is');
  t.deepEqual(
    met?.versions.map(({ shown }) => shown),
    [true, true],
  );
  t.deepEqual(store.conflicts.counts, { string: 0, counter: 0, hyperloglog: 1, field: 0, type: 0 });
  let seen: Buffer | undefined;
  command(opened, 0, 1, (execution) => {
    seen = execution.string(key)?.bytes;
    execution.setString(key, seen ?? Buffer.alloc(0), 0);
  });
  t.deepEqual(seen, joined);
  t.is(partition.get('visitors')?.record?.versions.length, 1);
  t.is(store.conflicts.openCount, 0);
  await opened.close();
});
