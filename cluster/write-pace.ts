/** Slows the writes that this node coordinates to what its disk takes, and says when it can take none (storage/write-backlog.ts). */
import type { Clock } from '../storage/clock.js';
import { TurnSlice } from '../storage/turn-slice.js';
import type { Coordination } from './coordination.js';

/** How often a node that is behind looks whether it still is: it may have no turns. */
const lookMs = 100;
/** Partitions whose writes go on in one turn, at most. */
const heldInTurn = 500;

export interface WritePaceOptions {
  readonly clock: Clock;
  readonly store: {
    /** How long a turn's writes wait for those of the turn before, ms. */
    readonly writeDelayMs: number;
    isBehind(was: boolean): boolean;
  };
  /** The node takes no writes any more, or takes them again. Called in the middle of a turn's end. */
  readonly behindChanged: (isBehind: boolean) => void;
  /** What waits in the partition may go on. */
  readonly goOn: (coordination: Coordination) => void;
}

export class WritePace {
  /** Writes wait, and what would overtake them. */
  isHolding = false;
  private isBehind = false;
  private readonly held = new Set<Coordination>();

  constructor(private readonly options: WritePaceOptions) {}

  /** What was written in this turn is in the log. */
  turnEnded(): void {
    const { store, clock } = this.options;
    const { writeDelayMs } = store;
    if (writeDelayMs === 0 && !this.isBehind) return;
    this.look();
    if (this.isHolding || writeDelayMs === 0) return;
    this.isHolding = true;
    clock.after(writeDelayMs, () => {
      this.isHolding = false;
      this.goOn();
    });
  }

  /** As many as a turn has room for: by its end writes may have to wait again. */
  private goOn(): void {
    const { clock, goOn } = this.options;
    const slice = new TurnSlice(clock, heldInTurn, 1);
    for (const coordination of this.held) {
      if (this.isHolding) return; // goes on with the others
      this.held.delete(coordination);
      goOn(coordination);
      if (slice.isOver()) break;
    }
    if (this.held.size > 0) clock.after(0, () => this.goOn());
  }

  /** `goOn` is called with it once writes may go on. */
  hold(coordination: Coordination): void {
    this.held.add(coordination);
  }

  private look(): void {
    const { store, clock, behindChanged } = this.options;
    const is = store.isBehind(this.isBehind);
    if (is === this.isBehind) return;
    this.isBehind = is;
    behindChanged(is);
    const lookAgain = (): void => {
      this.look();
      if (this.isBehind) clock.after(lookMs, lookAgain);
    };
    if (is) clock.after(lookMs, lookAgain);
  }
}
