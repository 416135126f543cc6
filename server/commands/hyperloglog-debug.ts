/** PFDEBUG: what a HyperLogLog's bytes are. As in Redis 7.2 GETREG, too, makes them dense. */
import { ErrorReply, StatusReply, type Reply } from '../../protocol/resp/reply.js';
import { CommandError, type Execution, type StringObject } from '../../storage/execution.js';
import {
  encodingAt,
  encodings,
  headerBytes,
  raiseRegisters,
  registerCount,
  runBytes,
  runLength,
  runValue,
} from '../../storage/hyperloglog.js';
import type { KeyedRow, Run } from '../command-table.js';
import { cString } from './errors.js';
import { HyperLogLogWriter } from './hyperloglog-writer.js';
import { corrupted, hyperLogLogAt } from './hyperloglogs.js';
import { docsOf } from './row.js';

const docs = docsOf('hyperloglog');
const noSuchKey = new ErrorReply('ERR The specified key does not exist');
const notSparse = new ErrorReply('ERR HLL encoding is not sparse');

type Look = (execution: Execution, key: Buffer, value: StringObject) => Reply;

const isSparse = ({ bytes }: StringObject): boolean => bytes[encodingAt] === encodings.sparse;

/** True when it was not dense before. Throws the client's error. */
function makeDense(execution: Execution, key: Buffer, value: StringObject): boolean {
  if (!isSparse(value)) return false;
  const writer = new HyperLogLogWriter(value.bytes, execution.sparseBytesMax);
  if (!writer.becomeDense()) throw new CommandError(corrupted);
  execution.setString(key, writer.take(), value.expiresAtMs);
  return true;
}

/** The runs as text: z and Z are zeros, by the bytes that they take; v is value and length. */
function decoded(bytes: Buffer): string {
  const runs: string[] = [];
  for (let at = headerBytes; at < bytes.length; at += runBytes(bytes[at] as number)) {
    const byte = bytes[at] as number;
    const [value, length] = [runValue(byte), runLength(bytes, at)];
    runs.push(value > 0 ? `v:${value},${length}` : `${runBytes(byte) === 1 ? 'z' : 'Z'}:${length}`);
  }
  return runs.join(' ');
}

const looks: ReadonlyMap<string, Look> = new Map(
  Object.entries<Look>({
    getreg: (execution, key, value) => {
      makeDense(execution, key, value);
      const registers = new Uint8Array(registerCount);
      raiseRegisters(registers, value.bytes);
      return [...registers];
    },
    decode: (_execution, _key, value) => (isSparse(value) ? Buffer.from(decoded(value.bytes), 'latin1') : notSparse),
    encoding: (_execution, _key, value) => new StatusReply(isSparse(value) ? 'sparse' : 'dense'),
    todense: (execution, key, value) => (makeDense(execution, key, value) ? 1 : 0),
  }),
);

function parseDebug(args: readonly Buffer[]): Run {
  const [, name, key] = args as readonly [Buffer, Buffer, Buffer];
  const text = name.toString('latin1');
  const look = looks.get(text.toLowerCase());
  return (execution) => {
    const value = hyperLogLogAt(execution, key);
    if (value === undefined) return noSuchKey;
    if (look === undefined) return new ErrorReply(`ERR Unknown PFDEBUG subcommand '${cString(name)}'`, 'latin1');
    return look(execution, key, value);
  };
}

export const hyperLogLogDebugRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'pfdebug',
    arity: 3,
    flags: ['write', 'denyoom', 'admin'],
    keys: { first: 2, last: 2, step: 1 },
    categories: ['write', 'hyperloglog', 'admin', 'slow', 'dangerous'],
    docs: docs('2.8.9', 'O(N) where N is the number of bytes.', 'Internal commands for debugging HyperLogLog values.', 'subcommand key'),
    parse: parseDebug,
  },
];
