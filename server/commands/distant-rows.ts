/**
 * What is run at partitions for a command on keys of several of them: first `value` at each key that is elsewhere, then the command itself at its home, with what was
 * read. Each value is one that its key had, agreed on by a read quorum; no two of them need to be of the same instant, as with MGET.
 *
 *     partition|value  key [STREAM: of a stream its content, too]
 *     partition|with   number of values | values (server/distant/value.ts) | number of keys that are here | keys | the command, name first
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { CommandRow, KeyedRow, PartitionRow, Run } from '../command-table.js';
import { DistantExecution } from '../distant/execution.js';
import { distantValueAt, distantValueOf, type DistantValue } from '../distant/value.js';
import { isToken, parseIntegerWithin } from './arguments.js';
import { malformedPartitionCommand, partitionRow } from './partition-row.js';
import { firstIsKey } from './row.js';

interface Taken {
  readonly values: ReadonlyMap<string, DistantValue>;
  readonly keys: readonly Buffer[];
  readonly command: readonly Buffer[];
}

const readsWith: Buffer = Buffer.from('partition|with');
const writesWith: Buffer = Buffer.from('partition|with-write');
const readsValue: Buffer = Buffer.from('partition|value');
const withStream: Buffer = Buffer.from('STREAM');

/** The arguments that ask for a value. */
export const valueAt = (key: Buffer, takesStreams: boolean): Buffer[] => [readsValue, key, ...(takesStreams ? [withStream] : [])];

/** The arguments of a command at its home. `values`: each one's arguments. */
export function withValues(
  isWrite: boolean,
  values: readonly (readonly Buffer[])[],
  keys: readonly Buffer[],
  command: readonly Buffer[],
): Buffer[] {
  const head = [isWrite ? writesWith : readsWith, Buffer.from(String(values.length))];
  return [...head, ...values.flat(), Buffer.from(String(keys.length)), ...keys, ...command];
}

function take(args: readonly Buffer[]): Taken | undefined {
  const count = parseIntegerWithin(args[1] as Buffer, 0, args.length);
  const values = new Map<string, DistantValue>();
  let at = 2;
  for (let left = count ?? 0; left > 0; left--) {
    const taken = distantValueAt(args, at);
    if (taken === undefined) return undefined;
    values.set(taken.key.toString('latin1'), taken.value);
    at = taken.next;
  }
  const keyCount = count === undefined || at >= args.length ? undefined : parseIntegerWithin(args[at] as Buffer, 0, args.length - at - 2);
  if (keyCount === undefined) return undefined;
  return { values, keys: args.slice(at + 1, at + 1 + keyCount), command: args.slice(at + 1 + keyCount) };
}

/** `table`: all commands there are. */
export function distantRows(table: () => readonly CommandRow[]): readonly PartitionRow[] {
  let byName: ReadonlyMap<string, KeyedRow> | undefined;
  const rowOf = (name: string): KeyedRow | undefined => {
    byName ??= new Map(table().flatMap((row) => (row.scope === 'keys' ? [[row.name, row]] : [])));
    return byName.get(name);
  };
  const parse =
    (isWrite: boolean) =>
    (args: readonly Buffer[]): Run | ErrorReply => {
      const taken = take(args);
      const row = taken === undefined ? undefined : rowOf(taken.command[0]?.toString('latin1').toLowerCase() ?? '');
      if (taken === undefined || row === undefined || row.flags.includes('write') !== isWrite) return malformedPartitionCommand;
      const run = row.parse(taken.command);
      return run instanceof ErrorReply ? run : (execution) => run(new DistantExecution(execution, taken.values));
    };
  const parseValue = (args: readonly Buffer[]): Run | ErrorReply => {
    const [, key, option] = args as readonly [Buffer, Buffer, Buffer?];
    if (option !== undefined && (!isToken(option, 'STREAM') || args.length > 3)) return malformedPartitionCommand;
    return (execution) => distantValueOf(execution, key, option !== undefined);
  };
  const findKeys = (args: readonly Buffer[]): readonly Buffer[] => take(args)?.keys ?? [];
  const syntax = 'count value [value ...] count key [key ...] command [argument ...]';
  return [
    { ...partitionRow('value', -2, 'readonly', parseValue, 'key [STREAM]'), keys: firstIsKey },
    { ...partitionRow('with', -4, 'readonly', parse(false), syntax), keys: firstIsKey, findKeys },
    { ...partitionRow('with-write', -4, 'write', parse(true), syntax), keys: firstIsKey, findKeys },
  ];
}
