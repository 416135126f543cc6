/** What the rows of streams have in common. */
import type { KeyedRow, KeyPositions } from '../command-table.js';
import { docsOf } from './row.js';

export const streamDocs = docsOf('stream');

export function streamRow(
  name: string,
  arity: number,
  flags: KeyedRow['flags'],
  keys: KeyPositions,
  docs: KeyedRow['docs'],
  parse: KeyedRow['parse'],
): KeyedRow {
  const categories = [flags.includes('write') ? 'write' : 'read', 'stream', flags.includes('fast') ? 'fast' : 'slow'];
  if (flags.includes('blocking')) categories.push('blocking');
  return { scope: 'keys', name, arity, flags, keys, categories, docs, parse };
}
