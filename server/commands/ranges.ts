/** Parts of strings. Semantics and error texts are Redis 7.2's (t_string.c). */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import { LongBytes, overlay } from '../../storage/long-bytes.js';
import type { KeyedRow, Run } from '../command-table.js';
import { parseInteger } from './arguments.js';
import { checkStringLength, notAnInteger } from './errors.js';
import { docsOf, firstIsKey } from './row.js';

const docs = docsOf('string');
const nothing = Buffer.alloc(0);
const offsetOutOfRange = new ErrorReply('ERR offset is out of range');

/** Negative ends count from the end of the string; both are inclusive. */
function slice(bytes: Buffer, start: number, end: number): Buffer {
  if (start < 0 && end < 0 && start > end) return nothing;
  const first = Math.max(0, start < 0 ? bytes.length + start : start);
  const last = Math.min(bytes.length - 1, Math.max(0, end < 0 ? bytes.length + end : end));
  return first > last ? nothing : bytes.subarray(first, last + 1);
}

function parseGetRange(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, startText, endText] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  const [start, end] = [parseInteger(startText), parseInteger(endText)];
  if (start === undefined || end === undefined) return notAnInteger;
  return (execution) => {
    const value = execution.string(key);
    return value === undefined ? nothing : slice(value.bytes, Number(start), Number(end));
  };
}

function parseSetRange(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, offsetText, value] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  const offset = parseInteger(offsetText);
  if (offset === undefined) return notAnInteger;
  if (offset < 0) return offsetOutOfRange;
  return (execution) => setRange(execution, key, Number(offset), value);
}

function setRange(execution: Execution, key: Buffer, offset: number, value: Buffer): number {
  const before = execution.string(key);
  const bytes = before?.bytes ?? nothing;
  if (value.length === 0) return bytes.length;
  checkStringLength(execution, offset + value.length);
  const parts = [
    { bytes, at: 0 },
    { bytes: value, at: offset },
  ];
  const changed = execution.made(new LongBytes(Math.max(bytes.length, offset + value.length), parts, overlay));
  execution.setString(key, changed, before?.expiresAtMs ?? 0);
  return changed.length;
}

const getRangeRow = (name: string, since: string, summary: string): KeyedRow => ({
  scope: 'keys',
  name,
  arity: 4,
  flags: ['readonly'],
  keys: firstIsKey,
  categories: ['read', 'string', 'slow'],
  docs: docs(since, 'O(N) where N is the length of the returned string.', summary, 'key start end'),
  parse: parseGetRange,
});

export const rangeRows: readonly KeyedRow[] = [
  getRangeRow('getrange', '2.4.0', 'Returns a substring of the string stored at a key.'),
  getRangeRow('substr', '1.0.0', 'Returns a substring from a string value.'),
  {
    scope: 'keys',
    name: 'setrange',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: firstIsKey,
    categories: ['write', 'string', 'slow'],
    docs: docs(
      '2.2.0',
      'O(N) where N is the length of the resulting value, which is written whole.',
      "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
      'key offset value',
    ),
    parse: parseSetRange,
  },
];
