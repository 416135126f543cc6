/** The keys of commands that say how many there are (ZUNION, LMPOP). */
import { parseInteger } from './arguments.js';

/** The keys that follow their number, which is argument `at`; as many as there are, when there are fewer. `before`: arguments that are keys, too. */
export const countedFrom =
  (at: number, ...before: readonly number[]) =>
  (args: readonly Buffer[]): readonly Buffer[] => {
    const count = parseInteger(args[at] as Buffer);
    const counted = count === undefined || count < 1 ? [] : args.slice(at + 1, at + 1 + Number(count));
    return [...before.map((i) => args[i] as Buffer), ...counted];
  };
