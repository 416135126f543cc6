/**
 * RENAME, RENAMENX and COPY, of values of every type, with their expiry. Semantics and error texts are Redis 7.2's (db.c). Both keys of a RENAME lie in
 * one partition, or the router answers CROSSSLOT.
 */
import { ErrorReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { valueTypes } from '../values/all.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { docsOf } from './row.js';

const docs = docsOf('generic');
const twoKeys = { first: 1, last: 2, step: 1 } as const;
const int32Max = 2 ** 31 - 1;
const noSuchKey = new ErrorReply('ERR no such key');
const sameObject = new ErrorReply('ERR source and destination objects are the same');
const noSuchDatabase = new ErrorReply('ERR DB index is out of range');
const notAnInt32 = new ErrorReply(`ERR value is out of range, value must between ${-int32Max - 1} and ${int32Max}`);

/** Puts the living value at `source`, and its expiry, in place of what is at `target`; false when there is none. */
function copyValue(execution: Execution, source: Buffer, target: Buffer): boolean {
  const type = execution.typeOf(source);
  if (type === undefined) return false;
  valueTypes[type].copy(execution, source, target, execution.expiryOf(source) ?? 0);
  return true;
}

/** `renamed` tells the outcome: false when something is at the new name already, which RENAME replaces. */
const parseRename =
  (replaces: boolean, answer: (renamed: boolean) => Reply) =>
  (args: readonly Buffer[]): Run => {
    const [, source, target] = args as readonly [Buffer, Buffer, Buffer];
    return (execution) => {
      if (execution.typeOf(source) === undefined) return noSuchKey;
      if (source.equals(target)) return answer(replaces);
      if (!replaces && execution.typeOf(target) !== undefined) return answer(false);
      copyValue(execution, source, target);
      execution.delete(source);
      return answer(true);
    };
  };

function parseCopy(args: readonly Buffer[]): Run | ErrorReply {
  const [, source, target] = args as readonly [Buffer, Buffer, Buffer];
  let replaces = false;
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    if (isToken(option, 'REPLACE')) replaces = true;
    else if (isToken(option, 'DB') && i + 1 < args.length) {
      const database = parseInteger(args[++i] as Buffer);
      if (database === undefined) return notAnInteger;
      if (database > int32Max || database < -int32Max - 1) return notAnInt32;
      if (database !== 0) return noSuchDatabase;
    } else return syntaxError;
  }
  if (source.equals(target)) return sameObject;
  return (execution) => {
    if (execution.typeOf(source) === undefined || (!replaces && execution.typeOf(target) !== undefined)) return 0;
    return copyValue(execution, source, target) ? 1 : 0;
  };
}

export const renamingRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'rename',
    arity: 3,
    flags: ['write'],
    keys: twoKeys,
    categories: ['keyspace', 'write', 'slow'],
    docs: docs('1.0.0', 'O(1)', 'Renames a key and overwrites the destination.', 'key newkey'),
    parse: parseRename(true, () => ok),
  },
  {
    scope: 'keys',
    name: 'renamenx',
    arity: 3,
    flags: ['write', 'fast'],
    keys: twoKeys,
    categories: ['keyspace', 'write', 'fast'],
    docs: docs('1.0.0', 'O(1)', "Renames a key only when the target key name doesn't exist.", 'key newkey'),
    parse: parseRename(false, (renamed) => (renamed ? 1 : 0)),
  },
  {
    scope: 'keys',
    name: 'copy',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: twoKeys,
    categories: ['keyspace', 'write', 'slow'],
    docs: docs(
      '6.2.0',
      'O(N) where N is the size of the value.',
      'Copies the value of a key to a new key.',
      'source destination [DB destination-db] [REPLACE]',
    ),
    parse: parseCopy,
  },
];
