/**
 * This node's identity in clocks, and which actors it has met. A node that lost its directory has to begin a life that nobody has seen anything of, or its new batches would
 * be taken for the old ones' successors; so each node tells, with its gossip, of every actor that its clocks show, and of those whose batches it keeps for
 * others, which no clock shows yet.
 */
import { actorOf, lifeOf, memberNumberOf } from '../protocol/dot.js';
import type { VectorClock } from '../protocol/record.js';
import { clockBytes, clockOf } from '../storage/partition-clocks.js';
import type { Store } from '../storage/store.js';
import type { Membership } from './membership.js';

const keptFact = 'actors of hints';

export class Lives {
  /** Of the batches that were ever kept here for others: a counter by each actor, not the greatest. */
  private readonly kept: Map<number, number>;
  /** The highest of this member's lives that a peer told of. */
  private heard = 0;

  constructor(
    private readonly store: Store,
    private readonly membership: Membership,
    /** The life this node begins or continues. */
    public life: number,
  ) {
    const fact = store.fact(keptFact);
    this.kept = new Map(fact === undefined ? [] : clockOf(fact));
  }

  /** This node in clocks: 0 with life until it is a member. */
  actor(): number {
    return actorOf(this.memberNumber, this.life);
  }

  /** A batch of `actor` is kept for another node. */
  keeps(actor: number, counter: number): void {
    if (this.kept.has(actor)) return;
    this.kept.set(actor, counter);
    this.store.setFact(keptFact, clockBytes(this.kept));
  }

  /** Every actor met, with the greatest counter in any partition's `seen`, or some counter where it is in none. */
  met(): VectorClock {
    const met = new Map(this.kept);
    for (let number = 0; number < (this.membership.configuration?.partitions ?? 0); number++) {
      const { seen, ahead } = this.store.partition(number);
      for (const [actor, counter] of seen) if (counter > (met.get(actor) ?? 0)) met.set(actor, counter);
      for (const { actor, counter } of ahead) if (!met.has(actor)) met.set(actor, counter);
    }
    return met;
  }

  /** What a peer has met: this member's lives among them. */
  note(met: VectorClock): void {
    const { memberNumber } = this;
    for (const actor of met.keys()) if (memberNumberOf(actor) === memberNumber) this.heard = Math.max(this.heard, lifeOf(actor));
  }

  /** The present directory may lack what was written in its life, or in later ones: the next life is above all that anyone was heard to know. */
  raise(): void {
    const { memberNumber } = this;
    for (const actor of this.met().keys()) {
      if (memberNumberOf(actor) === memberNumber && lifeOf(actor) >= this.life) this.life = lifeOf(actor) + 1;
    }
    this.life = Math.max(this.life, this.heard + 1);
    this.store.setFact('life', Buffer.from(String(this.life)));
  }

  private get memberNumber(): number {
    const { configuration, selfIndex } = this.membership;
    return configuration?.members[selfIndex]?.number ?? 0;
  }
}
