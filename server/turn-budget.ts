/**
 * What clients may have done in one turn of the event loop, in arguments of long commands: a pipeline of SADDs of 500 members each, from one client or from
 * many, is cut into turns of a few milliseconds instead of holding everyone up until all of it is done. Short commands are not counted: a piece of input
 * holds only so many of them; but a client whose replies of a turn are large, or whose commands of one read have taken their time, rests, and counts. One command is never cut: one that fills a turn by itself begins
 * among those that rested, after the turn's input. Where arguments take longer than they should,
 * on memory that the system has yet to give or in code that is not compiled yet, time ends the turn; and after a turn of much other input those that rest wait for one turn more.
 */

/** A command with no more arguments than this costs what any command costs. */
export const shortArguments = 32;
/** Arguments of long commands in a turn: two to seven microseconds each. */
const argumentsMax = 500;
/** No long command begins once the turn's first is so long ago. */
const beginMs = 1;

/** A client that has had so many bytes of replies in a turn rests. */
export const repliesBytesMax = 256 * 1024;
/** What they count for. */
const repliesArguments = 50;

/** A connection that keeps what it has read until there is room in a turn. */
export interface RestingClient {
  /** Goes on with what it held; not if something else holds it by now. */
  wake(): void;
}

export class TurnBudget {
  private spent = 0;
  private scheduled = false;
  private isWaking = false;
  private resting: RestingClient[] = [];
  /** When the turn's first was counted, by `monotonicMs`. */
  private firstMs = 0;
  /** When the turn at whose end those that rest are to go on began. */
  private beganMs = 0;
  /** They have waited for a turn with less input. */
  private hasWaited = false;

  /** `atTurnEnd` calls back after the input that is due, still in its turn. */
  constructor(
    private readonly atTurnEnd: (callback: () => void) => void,
    private readonly monotonicMs: () => number,
  ) {}

  /** A long command may begin in this turn. If not, the client has to rest: it is woken in a later one. */
  mayBegin(args: number, client: RestingClient): boolean {
    this.schedule();
    if (!this.hasRoom() || (args >= argumentsMax && !this.isWaking)) {
      this.resting.push(client);
      return false;
    }
    this.spend(args);
    return true;
  }

  /** The client has had `repliesBytesMax`, or enough time: it is woken in a later turn. */
  rest(client: RestingClient): void {
    this.schedule();
    this.spend(repliesArguments);
    this.resting.push(client);
  }

  private spend(args: number): void {
    if (this.spent === 0) this.firstMs = this.monotonicMs();
    this.spent += args;
  }

  private hasRoom(): boolean {
    return this.spent === 0 || (this.spent < argumentsMax && this.monotonicMs() - this.firstMs < beginMs);
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.atTurnEnd(this.beginTurn);
  }

  private readonly beginTurn = (): void => {
    this.beganMs = this.monotonicMs();
    this.atTurnEnd(this.nextTurn);
  };

  /** Those that rest go on in the order in which they came to rest, as far as the new turn allows; whoever rests anew is behind the others. */
  private readonly nextTurn = (): void => {
    if (!this.hasWaited && this.resting.length > 0 && this.monotonicMs() - this.beganMs >= beginMs) {
      this.hasWaited = true;
      return this.beginTurn();
    }
    this.hasWaited = false;
    this.scheduled = false;
    this.spent = 0;
    const woken = this.resting;
    this.resting = [];
    const still: RestingClient[] = [];
    this.isWaking = true;
    for (const client of woken) {
      if (this.hasRoom()) client.wake();
      else still.push(client);
    }
    this.isWaking = false;
    this.resting.unshift(...still);
    if (this.resting.length > 0) this.schedule();
  };
}
