/**
 * Commands that name keys of several partitions, and read all but one of them: which of its keys says where it runs. The values of keys elsewhere are brought there first
 * (distant-rows.ts). What deletes at one key what it writes at another (RENAME, SMOVE, LMOVE...) is none of them: it would have to be one batch.
 */
import type { KeyedRow } from '../command-table.js';

const atFirst =
  'sdiff sinter sintercard sunion sdiffstore sinterstore sunionstore zdiff zinter zintercard zunion zdiffstore zinterstore zunionstore zrangestore bitop geosearchstore lcs pfmerge';
const atLast = 'copy georadius georadiusbymember sort';

const homes: ReadonlyMap<string, 'first' | 'last'> = new Map([
  ...atFirst.split(' ').map((name) => [name, 'first'] as const),
  ...atLast.split(' ').map((name) => [name, 'last'] as const),
]);

/** It does more with a stream at a key elsewhere than refuse it: the stream has to be brought, however long it is. */
export const takesStreams = ({ name }: KeyedRow): boolean => name === 'copy';

/** The key that it runs at: the one that it writes to, or the first. Undefined: all its keys have to be in one partition. */
export function homeKey(row: KeyedRow, args: readonly Buffer[], keys: readonly Buffer[]): Buffer | undefined {
  const home = homes.get(row.name);
  if (home === undefined || row.looksFurther?.(args) === true) return undefined;
  return home === 'first' ? keys[0] : keys.at(-1);
}
