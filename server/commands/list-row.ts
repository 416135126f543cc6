/** What the rows of lists have in common. */
import type { KeyedRow, KeyPositions } from '../command-table.js';
import { docsOf } from './row.js';

export const listDocs = docsOf('list');

export function listRow(
  name: string,
  arity: number,
  flags: KeyedRow['flags'],
  keys: KeyPositions,
  docs: KeyedRow['docs'],
  parse: KeyedRow['parse'],
): KeyedRow {
  const categories = [flags.includes('write') ? 'write' : 'read', 'list', flags.includes('fast') ? 'fast' : 'slow'];
  return { scope: 'keys', name, arity, flags, keys, categories, docs, parse };
}
