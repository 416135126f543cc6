/** What the rows of sorted sets have in common. */
import type { KeyedRow, KeyPositions } from '../command-table.js';
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
