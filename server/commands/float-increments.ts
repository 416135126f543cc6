/** INCRBYFLOAT: a plain write of the sum, in the 80-bit arithmetic and the spelling of redis-server on x86-64. */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { KeyedRow, Run } from '../command-table.js';
import { notAFloat } from './errors.js';
import { addLongDoubles, longDoubleText, parseLongDouble } from './long-double.js';
import { docsOf, firstIsKey } from './row.js';

const docs = docsOf('string');
const notFinite = new ErrorReply('ERR increment would produce NaN or Infinity');
const zero = Buffer.from('0');

function parseIncrementByFloat(args: readonly Buffer[]): Run {
  const [, key, amountText] = args as readonly [Buffer, Buffer, Buffer];
  const amount = parseLongDouble(amountText);
  return (execution) => {
    const before = execution.string(key); // another type is an error that goes before a bad increment
    const value = parseLongDouble(before?.bytes ?? zero);
    if (value === undefined || amount === undefined) return notAFloat;
    const sum = addLongDoubles(value, amount);
    if (sum === undefined) return notFinite;
    const text = Buffer.from(longDoubleText(sum), 'latin1');
    execution.setString(key, text, before?.expiresAtMs ?? 0);
    return text;
  };
}

export const floatIncrementRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'incrbyfloat',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs(
      '2.6.0',
      'O(1)',
      "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
      'key increment',
    ),
    parse: parseIncrementByFloat,
  },
];
