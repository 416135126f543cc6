/**
 * The end of a turn of the event loop, in its one right order: what was written goes to the log, then to the peers, then what
 * became true by that is answered, then clients get their replies. Everything that happened in between costs one log append,
 * one frame per peer and one write per connection.
 */
import type { Clock } from '../storage/clock.js';
import type { Store } from '../storage/store.js';

/**
 * Reads under way to peers after which a turn ends between two pieces of input instead of after all that has arrived: the peer compares versions while this node takes
 * the rest, and clients have their first replies. Where something was written it does not: fewer commands in a frame and in an append cost more than that is worth.
 */
const readsMax = 64;

/** Who has something to do at a turn's end. */
export interface TurnEnd {
  flush(): void;
  /** In place of flush(): what was gathered in this turn must not leave. */
  abandon?(): void;
}

export class Turn {
  /** Of the turn that has not ended yet. */
  number = 0;
  /** When this turn was first asked for the time; -1 = not yet. */
  private beganMs = -1;
  private scheduled = false;
  /** The clock will call back at the end of what has arrived. */
  private armed = false;
  private reads = 0;
  /** The end is put off until the event loop has been round once more; once at most, however much comes meanwhile. */
  private endsApart: 'no' | 'asked' | 'no more' = 'no';
  /** What is gathered for peers and clients now still leaves with the turn that is ending. */
  private ending = false;
  private beforeSend: (() => void)[] = [];
  private readonly flushes: TurnEnd[] = [];
  /** Which of the log's refusals the turns that were held are of. */
  private heldRefusal = 0;

  constructor(
    private readonly clock: Clock,
    private readonly store: Store,
    private readonly links: {
      /** The turn's batches are in the log; `batches` is a copy of them that may be kept. What is written after this is the next turn's. */
      seal(batches: Buffer | undefined): void;
      /** The log took nothing of the turn, the first of a row or a later one: its batches are told to nobody. Returns whether replies were gathered that rest on them all the same. */
      hold(isFirst: boolean): boolean;
      /** Sends what links have gathered. */
      send(): void;
    },
  ) {}

  /** The monotonic clock, read once in a turn: for what need not know more exactly. */
  get nowMs(): number {
    if (this.beganMs < 0) {
      this.beganMs = this.clock.monotonicMs();
      this.schedule();
    }
    return this.beganMs;
  }

  /** What is written now belongs to the next turn, though replies may still leave with this one. */
  get isEnding(): boolean {
    return this.ending;
  }

  /** Makes sure that this turn has an end: something was written or has to be read. */
  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    if (this.armed) return;
    this.armed = true;
    this.clock.atTurnEnd(this.inputEnds);
  }

  /** A peer is asked about a read. */
  readAsked(): void {
    this.reads++;
  }

  /** A piece of input has been dealt with: a turn of many reads ends here. */
  inputTaken(): void {
    if (this.reads >= readsMax && this.scheduled && !this.store.hasWritten) this.end();
  }

  /** The same for what only has to be sent. */
  scheduleSend(): void {
    if (!this.ending) this.schedule();
  }

  /** Runs `callback` when all that was written so far is durable, before frames leave if that is within this turn. */
  whenWritten(callback: () => void): void {
    this.beforeSend.push(callback);
    this.schedule();
  }

  /** `target.flush()` is called once, after the answers of this turn. */
  flushAtEnd(target: TurnEnd): void {
    this.flushes.push(target);
    this.scheduleSend();
  }

  /** A command of this turn took long, and to log and send what it wrote will: what has arrived meanwhile is read in between. */
  endApart(): void {
    if (this.endsApart === 'no') this.endsApart = 'asked';
  }

  /** What goes to the log and to peers by itself, soon, must not overtake what this turn has written before: it is not put off. */
  endInTime(): void {
    this.endsApart = 'no more';
  }

  private readonly inputEnds = (): void => {
    this.armed = false;
    if (!this.scheduled) return;
    if (this.endsApart !== 'asked') return this.end();
    this.endsApart = 'no more';
    this.armed = true;
    this.beganMs = -1; // what comes now came after all that
    this.clock.nextTurn(this.inputEnds);
  };

  private end(): void {
    this.scheduled = false;
    this.endsApart = 'no';
    this.reads = 0;
    this.number++;
    this.beganMs = -1;
    let batches: Buffer | undefined;
    this.store.endTurn((bytes) => (batches = Buffer.from(bytes)));
    this.ending = true;
    const abandons = this.store.isHeld ? this.hold() : this.seal(batches);
    this.ending = false; // from here on a link may have sent already: what is said now needs an end of its own
    this.links.send();
    const { flushes } = this;
    for (let i = 0; i < flushes.length; i++) {
      const target = flushes[i] as TurnEnd;
      if (abandons && target.abandon !== undefined) target.abandon();
      else target.flush();
    }
    flushes.length = 0;
  }

  private seal(batches: Buffer | undefined): false {
    this.links.seal(batches);
    const written = this.beforeSend;
    this.beforeSend = [];
    for (const callback of written) this.store.whenDurable(callback);
    return false;
  }

  /** What waits for the log waits on. Returns whether clients must not have the replies of this turn: some may say that something was written. */
  private hold(): boolean {
    const isFirst = this.store.refusals !== this.heldRefusal;
    this.heldRefusal = this.store.refusals;
    return this.links.hold(isFirst) && isFirst;
  }
}
