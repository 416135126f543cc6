/**
 * Dots and terms: the two names by which writes are ordered (ARCHITECTURE.md, "Words").
 *
 * A dot (actor, counter) names one write for ever. An actor is 32 bits: member number (high 16) and life (low 16). A counter is
 * its actor's hybrid logical clock: 41 bits of milliseconds since 2024-01-01 UTC and 12 of sequence, exact in a double.
 * A term (counter, actor) names one take-over of a partition; the actor of a value's term is always the actor of its dot,
 * so a version stores the term's counter alone.
 */

/** Milliseconds of 2024-01-01T00:00:00Z since the Unix epoch: the zero of every counter. */
export const counterEpochMs = 1_704_067_200_000;

/** Counters per millisecond: 12 bits of sequence. */
export const countersPerMs = 4096;

/** The largest counter: 53 bits. */
export const counterMax = Number.MAX_SAFE_INTEGER;

/** One write, unique and ordered for ever. */
export interface Dot {
  readonly actor: number;
  readonly counter: number;
}

/** One take-over of a partition, by the actor that took it. `{counter: 0, actor: 0}` is "none yet". */
export interface Term {
  readonly counter: number;
  readonly actor: number;
}

export const noTerm: Term = { counter: 0, actor: 0 };

/** The actor of a member in one of its lives. Throws RangeError when either does not fit 16 bits. */
export function actorOf(memberNumber: number, life: number): number {
  if (!(memberNumber >= 0 && memberNumber <= 0xffff && life >= 0 && life <= 0xffff)) {
    throw new RangeError(`member ${memberNumber} life ${life}: neither may leave 0..65535`);
  }
  return memberNumber * 0x1_0000 + life;
}

export function memberNumberOf(actor: number): number {
  return Math.floor(actor / 0x1_0000);
}

export function lifeOf(actor: number): number {
  return actor % 0x1_0000;
}

/** Unix milliseconds of a counter. */
export function counterMs(counter: number): number {
  return Math.floor(counter / countersPerMs) + counterEpochMs;
}

/** The first counter of a millisecond: the inverse of counterMs. */
export function counterAt(unixMs: number): number {
  return (unixMs - counterEpochMs) * countersPerMs;
}

/** Negative, zero or positive as term x is older than, equal to or newer than y. */
export function compareTerms(x: Term, y: Term): number {
  return x.counter - y.counter || x.actor - y.actor;
}

/** A write with its term: the order of "latest". The term's actor is the dot's, hence (term, actor, counter). */
export interface Ranked extends Dot {
  readonly term: number;
}

/** Negative, zero or positive as version x is earlier than, the same as or later than y. */
export function compareRanked(x: Ranked, y: Ranked): number {
  return x.term - y.term || x.actor - y.actor || x.counter - y.counter;
}
