/** Arbitrary records in normal form, for the codecs' properties: every kind of version, and numbers up to their limits. */
import fc from '../harness/properties.js';
import { counterMax } from '../../protocol/dot.js';
import { noBase, versionKind, type VectorClock, type Version, type VersionedRecord } from '../../protocol/record.js';

const actor = fc.integer({ min: 0, max: 0xffff_ffff });
const counter = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.maxSafeNat());
const instant = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: counterMax }));
const int64 = fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const base = fc.oneof(fc.constant(noBase), fc.record({ actor, counter, term: counter }, { noNullPrototype: true }));

export const buffers = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));

export const clocks: fc.Arbitrary<VectorClock> = fc
  .uniqueArray(fc.tuple(actor, counter), { maxLength: 4, selector: ([one]) => one })
  .map((entries) => new Map(entries.sort(([x], [y]) => x - y)));

const versions: fc.Arbitrary<Version> = fc.oneof(
  fc.record(
    { kind: fc.constant(versionKind.plain), actor, counter, term: counter, expiresAtMs: instant, bytes: buffers },
    { noNullPrototype: true },
  ),
  fc.record(
    { kind: fc.constant(versionKind.counter), actor, counter, term: counter, expiresAtMs: instant, base, amount: int64, sum: int64 },
    { noNullPrototype: true },
  ),
  fc.record(
    {
      kind: fc.constant(versionKind.tally),
      actor,
      counter,
      term: counter,
      expiresAtMs: instant,
      base,
      amount: finite,
      sum: finite,
      remainder: finite,
    },
    { noNullPrototype: true },
  ),
);

export const records: fc.Arbitrary<VersionedRecord> = fc
  .tuple(clocks, fc.uniqueArray(versions, { maxLength: 4, selector: (version) => version.actor }))
  .map(([context, list]) => {
    list.sort((x, y) => x.actor - y.actor);
    const beside = [...context].filter(([one, seen]) => !list.some((version) => version.actor === one && version.counter >= seen));
    return { context: new Map(beside), versions: list };
  });
