/**
 * Reachable records: what four replicas of one record hold and send while they write, delete, increment, set expiries, cut and
 * merge in an order drawn at random. Laws of merging hold for these and not for any record at all: a real actor never writes the same dot twice.
 */
import fc from '../harness/properties.js';
import type { Dot } from '../../protocol/dot.js';
import { versionKind, type VersionedRecord } from '../../protocol/record.js';
import { applyCut, deleting, effectiveContext, emptyRecord, mergeRecords, replacing } from '../../storage/merge.js';
import { incremented, withExpiry } from '../../storage/string-value.js';

interface Step {
  readonly kind: 'set' | 'set-text' | 'delete' | 'increment' | 'expire' | 'merge' | 'merge-old' | 'cut';
  readonly actor: number;
  /** Whom or what it merges with. */
  readonly other: number;
  readonly amount: number;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Step['kind']>(
      'set',
      'set-text',
      'delete',
      'increment',
      'increment',
      'expire',
      'merge',
      'merge',
      'merge-old',
      'cut',
    ),
    actor: fc.nat(3),
    other: fc.nat(),
    amount: fc.integer({ min: -9, max: 99 }),
  }),
  { minLength: 1, maxLength: 25 },
);

/** What a write sends, beside what its writer then holds. */
export interface Write {
  readonly before: VersionedRecord;
  readonly written: VersionedRecord;
}

export interface Pool {
  /** Every record ever held or sent. */
  readonly all: readonly VersionedRecord[];
  readonly writes: readonly Write[];
}

export const pools: fc.Arbitrary<Pool> = steps.map((list) => {
  const held = [emptyRecord, emptyRecord, emptyRecord, emptyRecord];
  const all: VersionedRecord[] = [emptyRecord];
  const writes: Write[] = [];
  list.forEach((step, i) => {
    const mine = held[step.actor]!;
    const written = write(mine, step, { actor: step.actor + 1, counter: i + 1 });
    if (written !== undefined) {
      writes.push({ before: mine, written });
      all.push(written);
      held[step.actor] = mergeRecords(mine, written);
    } else if (step.kind === 'merge') {
      held[step.actor] = mergeRecords(mine, held[step.other % held.length]!);
    } else if (step.kind === 'merge-old') {
      held[step.actor] = mergeRecords(mine, all[step.other % all.length]!);
    } else if (step.kind === 'cut') {
      held[step.actor] = applyCut(mine, effectiveContext(all[step.other % all.length]!));
    }
    all.push(held[step.actor]!);
  });
  return { all, writes };
});

/** A pool, and three records of it. */
export const threeOfOnePool: fc.Arbitrary<readonly [VersionedRecord, VersionedRecord, VersionedRecord]> = fc
  .tuple(pools, fc.nat(), fc.nat(), fc.nat())
  .map(([{ all }, x, y, z]) => [all[x % all.length]!, all[y % all.length]!, all[z % all.length]!]);

/** Every write is a take-over of its own, so its counter is its term too. */
function write(mine: VersionedRecord, { kind, amount }: Step, dot: Dot): VersionedRecord | undefined {
  const term = dot.counter;
  switch (kind) {
    case 'set':
    case 'set-text': {
      const bytes = Buffer.from(kind === 'set' ? String(amount) : `text ${amount}`);
      return replacing(mine, { kind: versionKind.plain, ...dot, term, expiresAtMs: 0, bytes });
    }
    case 'delete':
      // Some say their term, as under strict quorums.
      return deleting(mine, dot, amount % 2 === 0 ? term : 0);
    case 'increment': {
      const result = incremented(mine, dot, term, BigInt(amount));
      return typeof result === 'string' ? undefined : result.record;
    }
    case 'expire':
      return withExpiry(mine, dot, term, amount + 10);
    case 'cut':
    case 'merge':
    case 'merge-old':
      return undefined;
  }
}
