/** What the rows of sorted sets have in common. */
import type { KeyedRow, KeyPositions } from '../command-table.js';
import { parseInteger } from './arguments.js';
import { docsOf } from './row.js';

export const sortedDocs = docsOf('sorted-set');

export function sortedRow(
  name: string,
  arity: number,
  flags: KeyedRow['flags'],
  keys: KeyPositions,
  docs: KeyedRow['docs'],
  parse: KeyedRow['parse'],
): KeyedRow {
  const categories = [flags.includes('write') ? 'write' : 'read', 'sortedset', flags.includes('fast') ? 'fast' : 'slow'];
  return { scope: 'keys', name, arity, flags, keys, categories, docs, parse };
}

/** The keys that follow their number, which is argument `at`; as many as there are, when there are fewer. `before`: arguments that are keys, too. */
export const countedFrom =
  (at: number, ...before: readonly number[]) =>
  (args: readonly Buffer[]): readonly Buffer[] => {
    const count = parseInteger(args[at] as Buffer);
    const counted = count === undefined || count < 1 ? [] : args.slice(at + 1, at + 1 + Number(count));
    return [...before.map((i) => args[i] as Buffer), ...counted];
  };
