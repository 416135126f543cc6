/** Commands on keys of any type: whether they are there, of what type, and away with them. Semantics and error texts are Redis 7.2's (db.c). */
import { StatusReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, TypeName } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { allAreKeys, docsOf, firstIsKey } from './row.js';

const docs = docsOf('generic');

const none = new StatusReply('none');
const typeReplies: Readonly<Record<TypeName, StatusReply>> = {
  string: new StatusReply('string'),
  hash: new StatusReply('hash'),
  set: new StatusReply('set'),
  zset: new StatusReply('zset'),
  list: new StatusReply('list'),
  stream: new StatusReply('stream'),
};

const parseCount =
  (counts: (execution: Execution, key: Buffer) => boolean) =>
  (args: readonly Buffer[]): Run =>
  (execution): Reply => {
    let count = 0;
    for (let i = 1; i < args.length; i++) if (counts(execution, args[i] as Buffer)) count++;
    return count;
  };

export const keyRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'del',
    arity: -2,
    flags: ['write'],
    keys: allAreKeys,
    categories: ['keyspace', 'write', 'slow'],
    docs: docs('1.0.0', 'O(N) where N is the number of keys that will be removed.', 'Deletes one or more keys.', 'key [key ...]'),
    split: 'sum',
    parse: parseCount((execution, key) => execution.delete(key)),
  },
  {
    scope: 'keys',
    name: 'unlink',
    arity: -2,
    flags: ['write', 'fast'],
    keys: allAreKeys,
    categories: ['keyspace', 'write', 'fast'],
    docs: docs(
      '4.0.0',
      'O(N) where N is the number of keys that will be removed.',
      'Deletes one or more keys, as DEL does.',
      'key [key ...]',
    ),
    split: 'sum',
    parse: parseCount((execution, key) => execution.delete(key)),
  },
  {
    scope: 'keys',
    name: 'exists',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: allAreKeys,
    categories: ['keyspace', 'read', 'fast'],
    docs: docs('1.0.0', 'O(N) where N is the number of keys to check.', 'Determines whether one or more keys exist.', 'key [key ...]'),
    split: 'sum',
    parse: parseCount((execution, key) => execution.typeOf(key) !== undefined),
  },
  {
    scope: 'keys',
    name: 'touch',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: allAreKeys,
    categories: ['keyspace', 'read', 'fast'],
    docs: docs(
      '3.2.1',
      'O(N) where N is the number of keys to count.',
      'Returns the number of existing keys out of those specified after updating the time they were last accessed.',
      'key [key ...]',
    ),
    split: 'sum',
    parse: parseCount((execution, key) => execution.typeOf(key) !== undefined),
  },
  {
    scope: 'keys',
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstIsKey,
    categories: ['keyspace', 'read', 'fast'],
    docs: docs('1.0.0', 'O(1)', 'Determines the type of value stored at a key.', 'key'),
    parse: (args) => {
      const key = args[1] as Buffer;
      return (execution) => {
        const type = execution.typeOf(key);
        return type === undefined ? none : typeReplies[type];
      };
    },
  },
];
