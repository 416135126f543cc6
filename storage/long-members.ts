/**
 * The members of the union, intersection or difference of large sets or sorted sets, for a command that stores them: found a slice a turn from snapshots, before the command runs once
 * more. That run takes them if no collection has changed since.
 */
import type { Collection } from './collection.js';
import { CombinationWalk } from './combination-walk.js';
import type { Scoring } from './combined-scores.js';
import type { ScoredMember, SetOperation } from './execution.js';
import type { LongWork } from './long-work.js';
import { OpenSnapshots, snapshotsOf } from './open-snapshots.js';
import type { Partition } from './partition.js';

/** Elements and look-ups of a slice. */
const sliceSteps = 150;

/** A collection, what its scores count for, and how often it had changed. */
interface Combined {
  readonly collection: Collection;
  readonly weight: number | undefined;
  readonly changes: number;
}

export class LongMembers implements LongWork<readonly ScoredMember[]> {
  readonly isLong = true;
  private readonly members: ScoredMember[] = [];
  private readonly combined: readonly Combined[];
  private readonly snapshots: OpenSnapshots;
  private readonly walk: CombinationWalk;

  /** `collections` as the walk takes them. Without `scoring` scores are 0. */
  constructor(
    private readonly partition: Partition,
    private readonly operation: SetOperation,
    collections: readonly Collection[],
    private readonly scoring: Scoring | undefined,
  ) {
    this.combined = collections.map((collection, at) => ({ collection, weight: scoring?.weights[at], changes: collection.changes }));
    this.snapshots = new OpenSnapshots(partition, snapshotsOf(partition, collections));
    this.walk = new CombinationWalk(partition.table, operation, this.snapshots.sources, Infinity, scoring);
  }

  isSame(other: LongWork<unknown>): other is LongMembers {
    if (!(other instanceof LongMembers)) return false;
    const { combined, operation, scoring } = this;
    if (other.operation !== operation || other.scoring?.aggregate !== scoring?.aggregate) return false;
    if (other.combined.length !== combined.length) return false;
    return combined.every(({ collection, weight, changes }, at) => {
      const their = other.combined[at] as Combined;
      return their.collection === collection && their.changes === changes && Object.is(their.weight, weight);
    });
  }

  proceed(): boolean {
    const { members, walk } = this;
    const { table } = this.partition;
    for (let steps = 0; steps < sliceSteps && !walk.isOver;) {
      steps += walk.step();
      if (walk.hasFound) members.push({ member: table.keyBytes(walk.entry), score: walk.score });
    }
    if (walk.isOver) this.abandon();
    return walk.isOver;
  }

  take(): readonly ScoredMember[] {
    while (!this.proceed());
    return this.members;
  }

  abandon(): void {
    this.snapshots.close();
  }
}
