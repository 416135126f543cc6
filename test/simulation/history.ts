/**
 * What clients asked and were told, for the checkers. Moments are whole numbers in the order in which the recorder heard of things,
 * never clock readings, so "ended before the other was invoked" has one meaning.
 */

/**
 * `completed`: the answer is `output`. `failed`: it was refused and surely has no effect, now or later. `unknown`: it may take effect at
 * any moment after it was invoked, or never; so may one that is still `pending` at the end of the run.
 */
export type Outcome = 'pending' | 'completed' | 'unknown' | 'failed';

export interface Operation<Input, Output> {
  readonly client: string;
  readonly key: string;
  readonly input: Input;
  /** Those of one order are run one after the other, as they were invoked: a connection's commands. Undefined = in none. */
  readonly order: string | undefined;
  readonly invoked: number;
  readonly outcome: Outcome;
  /** Infinity unless completed or failed. */
  readonly ended: number;
  /** Of a completed one. */
  readonly output: Output | undefined;
}

/** Whether the effect of `earlier`, which was acknowledged, has to be in what `later` was told. */
export function mustBeSeen(earlier: Operation<unknown, unknown>, later: Operation<unknown, unknown>): boolean {
  if (earlier.outcome !== 'completed') return false;
  return earlier.ended < later.invoked || (earlier.order !== undefined && earlier.order === later.order && earlier.invoked < later.invoked);
}

/** What a checker says; the reason names the operations it is about. */
export type Verdict =
  | { readonly verdict: 'accepted' }
  | { readonly verdict: 'refused'; readonly reason: string }
  | { readonly verdict: 'undecided'; readonly reason: string };

export const accepted: Verdict = { verdict: 'accepted' };
export const refused = (reason: string): Verdict => ({ verdict: 'refused', reason });

/** For messages: client, key, what was asked and answered, and when. */
export const describe = <Input, Output>({ client, key, input, output, outcome, invoked, ended }: Operation<Input, Output>): string =>
  `${client} ${key} ${JSON.stringify(input)} ${outcome}${output === undefined ? '' : ` ${JSON.stringify(output)}`} [${invoked}, ${ended}]`;

/** Ends one operation; only the first call counts. */
export interface Ending<Output> {
  complete(output: Output): void;
  fail(): void;
  leaveUnknown(): void;
}

export class History<Input, Output> {
  readonly #operations: Operation<Input, Output>[] = [];
  #moment = 0;

  invoke(client: string, key: string, input: Input, order?: string): Ending<Output> {
    const at = this.#operations.length;
    const begun: Operation<Input, Output> = {
      client,
      key,
      input,
      order,
      invoked: ++this.#moment,
      outcome: 'pending',
      ended: Infinity,
      output: undefined,
    };
    this.#operations.push(begun);
    const end = (outcome: Outcome, output: Output | undefined): void => {
      if (this.#operations[at] !== begun) return;
      const moment = ++this.#moment;
      this.#operations[at] = { ...begun, outcome, output, ended: outcome === 'unknown' ? Infinity : moment };
    };
    return {
      complete: (output) => end('completed', output),
      fail: () => end('failed', undefined),
      leaveUnknown: () => end('unknown', undefined),
    };
  }

  /** In the order of invocation. */
  get operations(): readonly Operation<Input, Output>[] {
    return this.#operations;
  }

  /** The same, by key: checkers look at one key at a time. */
  byKey(): ReadonlyMap<string, readonly Operation<Input, Output>[]> {
    const keys = new Map<string, Operation<Input, Output>[]>();
    for (const operation of this.#operations) {
      const ofKey = keys.get(operation.key);
      if (ofKey === undefined) keys.set(operation.key, [operation]);
      else ofKey.push(operation);
    }
    return keys;
  }
}
