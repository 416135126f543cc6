/**
 * OBJECT: how a value is kept. ENCODING names what Redis would choose for a value that was just set. When a key was last used, and how often, is not
 * tracked: IDLETIME and FREQ answer an error for a key that is there.
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, TypeName } from '../../storage/execution.js';
import type { CommandRow, KeyedRow, LocalRow } from '../command-table.js';
import { valueTypes } from '../values/all.js';
import { container, docsOf } from './row.js';

const docs = docsOf('generic');
const idleTimeNotTracked = new ErrorReply('ERR idle time is not tracked');
const frequencyNotTracked = new ErrorReply(
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
);

/** An absent key is nil, whatever is asked of it. */
function subcommand(
  name: string,
  since: string,
  summary: string,
  answer: (execution: Execution, key: Buffer, type: TypeName) => Reply,
): KeyedRow {
  return {
    scope: 'keys',
    name: `object|${name}`,
    arity: 3,
    flags: ['readonly'],
    keys: { first: 2, last: 2, step: 1 },
    categories: ['keyspace', 'read', 'slow'],
    docs: docs(since, 'O(1)', summary, 'key'),
    parse: (args) => {
      const key = args[2] as Buffer;
      return (execution) => {
        const type = execution.typeOf(key);
        return type === undefined ? null : answer(execution, key, type);
      };
    },
  };
}

const subcommands: readonly KeyedRow[] = [
  subcommand('encoding', '2.2.3', 'Returns the internal encoding of a Redis object.', (execution, key, type) =>
    valueTypes[type].encoding(execution, key),
  ),
  subcommand('freq', '4.0.0', 'Returns the logarithmic access frequency counter of a Redis object.', () => frequencyNotTracked),
  subcommand('idletime', '2.2.3', 'Returns the time since the last access to a Redis object.', () => idleTimeNotTracked),
  subcommand('refcount', '2.2.3', 'Returns the reference count of a value of a key.', () => 1),
];

const help = [
  'ENCODING <key>',
  '    Return the kind of internal representation used in order to store the value',
  '    associated with a <key>.',
  'FREQ <key>',
  '    Return the access frequency index of the <key>. The returned integer is',
  '    proportional to the logarithm of the recent access frequency of the key.',
  'IDLETIME <key>',
  '    Return the idle time of the <key>, that is the approximated number of',
  '    seconds elapsed since the last access to the key.',
  'REFCOUNT <key>',
  '    Return the number of references of the value associated with the specified',
  '    <key>.',
];

const object = container(
  {
    name: 'object',
    helpSince: '6.2.0',
    categories: ['slow'],
    docs: docs('2.2.3', 'Depends on subcommand.', 'A container for object introspection commands.'),
  },
  help,
  subcommands,
);

/** The HELP among them is said to be about the keyspace, though the container is not. */
const withCategories = new Map<string, CommandRow>(
  [...(object.subcommands ?? [])].map(([name, row]) => [name, { ...row, categories: [...new Set(['keyspace', ...row.categories])] }]),
);

export const objectRows: readonly LocalRow[] = [{ ...object, subcommands: withCategories }];
