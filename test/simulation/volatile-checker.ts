/**
 * Checks of the history of a register whose values expire: SET with and without PX, DEL, PEXPIRE, PERSIST and GET on one key. Every written value is written once
 * only. What time it was when a command ran lies between two readings of its front node's hybrid clock, as it came and as it was answered: clocks
 * of nodes may be an hour apart, but whoever runs a command or answers it has met the clock of whoever sent it.
 *
 *   a value is shown   one of the lifetimes that it may have had had not passed when the read came
 *   nothing is shown   there was nothing, or one of those lifetimes had passed when the read was answered
 */
import { accepted, describe, mustBeSeen, refused, type Operation, type Verdict } from './history.js';
import { valueFault, type RegisterOperation } from './register-checker.js';

/** Unix ms by the front node's clock; filled in as the command runs. */
export interface RanWithin {
  fromMs: number;
  /** Infinity until it is answered. */
  untilMs: number;
}

export const neverRan = (): RanWithin => ({ fromMs: Infinity, untilMs: Infinity });

export type VolatileInput =
  | { readonly kind: 'write'; readonly value: string | null; readonly spanMs: number; readonly ran: RanWithin }
  /** Gives what is there another lifetime; one that finds nothing has failed. */
  | { readonly kind: 'expire'; readonly spanMs: number; readonly ran: RanWithin }
  | { readonly kind: 'read'; readonly ran: RanWithin };
/** What a read showed, null = nothing there; null for all else. */
export type VolatileOutput = string | null;
export type VolatileOperation = Operation<VolatileInput, VolatileOutput>;

/** A command that gave a lifetime, and between which instants that ends. */
interface Lifetime {
  readonly given: VolatileOperation;
  readonly fromMs: number;
  readonly untilMs: number;
}

function lifetimeOf(given: VolatileOperation): Lifetime {
  const spanMs = given.input.kind === 'read' ? Infinity : given.input.spanMs;
  // Of unknown outcome: its coordinator may have run it after its front node had given up.
  const ranUntilMs = given.outcome === 'unknown' ? Infinity : given.input.ran.untilMs;
  return { given, fromMs: given.input.ran.fromMs + spanMs, untilMs: ranUntilMs + spanMs };
}

const valueOf = ({ input }: VolatileOperation): string | null => (input.kind === 'write' ? input.value : null);

/** A node may judge by the time at which its turn began. */
const slackMs = 2;

/** The lifetimes that one that `write` wrote may have when `read` sees it: those that surely came before it, or were surely replaced, left out. */
function lifetimesAt(read: VolatileOperation, write: VolatileOperation, telling: readonly VolatileOperation[]): Lifetime[] {
  const later = telling.filter(({ input, invoked, ended }) => input.kind === 'expire' && ended >= write.invoked && invoked < read.ended);
  const isReplaced = (given: VolatileOperation): boolean => later.some((other) => other.invoked > given.ended && mustBeSeen(other, read));
  return [write, ...later].filter((given) => !isReplaced(given)).map(lifetimeOf);
}

function readFault(read: VolatileOperation, telling: readonly VolatileOperation[]): string | undefined {
  const shown = read.output ?? null;
  const writes = telling.filter(({ input, invoked }) => input.kind === 'write' && invoked < read.ended);
  const isKnown = (write: Operation<unknown, unknown>): boolean => mustBeSeen(write, read);
  const registers = writes.map((write): RegisterOperation => ({ ...write, input: { kind: 'write', value: valueOf(write) }, output: null }));
  const fault = valueFault(shown, isKnown, read.ended, registers);
  const { fromMs, untilMs } = read.input.ran;
  if (shown !== null) {
    if (fault !== undefined) return fault;
    const write = writes.find((candidate) => valueOf(candidate) === shown);
    const mayLive = write === undefined || lifetimesAt(read, write, telling).some((lifetime) => lifetime.untilMs > fromMs - slackMs);
    return mayLive ? undefined : `${JSON.stringify(shown)} had expired before ${fromMs}`;
  }
  if (fault === undefined) return undefined;
  const mayHaveExpired = writes.some(
    (write) =>
      valueOf(write) !== null &&
      !writes.some((other) => other.invoked > write.ended && mustBeSeen(other, read)) &&
      lifetimesAt(read, write, telling).some((lifetime) => lifetime.fromMs <= untilMs + slackMs),
  );
  return mayHaveExpired ? undefined : `${fault}, and nothing can have expired by ${untilMs}`;
}

/** No read is older than what was acknowledged before it began, shows what had expired, or misses what cannot have. */
export function checkVolatileReads(history: readonly VolatileOperation[]): Verdict {
  const telling = history.filter(({ input, outcome }) => input.kind !== 'read' && outcome !== 'failed');
  for (const read of history) {
    if (read.input.kind !== 'read' || read.outcome !== 'completed') continue;
    const fault = readFault(read, telling);
    if (fault !== undefined) return refused(`${describe(read)}: ${fault}`);
  }
  return accepted;
}

/** Under sloppy quorums: what is shown was written, and may not have expired. */
export function checkVolatileReadsAreOfWrites(history: readonly VolatileOperation[]): Verdict {
  const telling = history.filter(({ input, outcome }) => input.kind !== 'read' && outcome !== 'failed');
  for (const read of history) {
    if (read.input.kind !== 'read' || read.outcome !== 'completed' || read.output === null || read.output === undefined) continue;
    const { output, ended } = read;
    const { fromMs } = read.input.ran;
    const write = telling.find(
      (candidate) => candidate.input.kind === 'write' && candidate.invoked < ended && valueOf(candidate) === output,
    );
    if (write === undefined) return refused(`${describe(read)}: it was not written by then`);
    const later = telling.filter((candidate) => candidate.input.kind === 'expire' && candidate.invoked < ended);
    if (![write, ...later].map(lifetimeOf).some(({ untilMs }) => untilMs > fromMs - slackMs))
      return refused(`${describe(read)}: it had expired before ${fromMs}`);
  }
  return accepted;
}
