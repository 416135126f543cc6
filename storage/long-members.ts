/**
 * The members of the union, intersection or difference of large sets or sorted sets, for a command that stores them: found a slice a turn, before the command runs once more. That
 * run takes them if no collection has changed since.
 */
import { CombinationWalk } from './combination-walk.js';
import type { Scoring } from './combined-scores.js';
import type { ElementSource } from './element-source.js';
import type { ScoredMember, SetOperation } from './execution.js';
import type { LongWork } from './long-work.js';

/** Of a slice: elements made ready to be found; elements and look-ups. */
const sliceMost = { prepared: 500, steps: 150 } as const;

export class LongMembers implements LongWork<readonly ScoredMember[]> {
  readonly isLong = true;
  private readonly members: ScoredMember[] = [];
  private readonly walk: CombinationWalk;
  private isPrepared = false;

  /** `sources` as the walk takes them. Without `scoring` scores are 0. */
  constructor(
    private readonly operation: SetOperation,
    private readonly sources: readonly ElementSource[],
    private readonly scoring: Scoring | undefined,
  ) {
    this.walk = new CombinationWalk(operation, sources, Infinity, scoring);
    this.walk.open();
  }

  isSame(other: LongWork<unknown>): other is LongMembers {
    if (!(other instanceof LongMembers)) return false;
    const { operation, scoring, sources } = this;
    if (other.operation !== operation || other.scoring?.aggregate !== scoring?.aggregate) return false;
    if (other.sources.length !== sources.length || !sources.every((source, at) => source.isSame(other.sources[at] as ElementSource)))
      return false;
    return scoring === undefined || scoring.weights.every((weight, at) => weight === other.scoring?.weights[at]);
  }

  proceed(): boolean {
    const { members, walk } = this;
    if (!this.isPrepared) {
      this.isPrepared = walk.prepare(sliceMost.prepared);
      return false;
    }
    for (let steps = 0; steps < sliceMost.steps && !walk.isOver;) {
      steps += walk.step();
      if (walk.hasFound) members.push({ member: Buffer.from(walk.bytes.subarray(walk.from, walk.from + walk.length)), score: walk.score });
    }
    if (walk.isOver) this.abandon();
    return walk.isOver;
  }

  take(): readonly ScoredMember[] {
    while (!this.proceed());
    return this.members;
  }

  abandon(): void {
    this.walk.close();
  }
}
