/**
 * HSCAN, SSCAN and their like: a cursor is the place in an order of elements that is the same on every node (storage/key-order.ts), so an element that is
 * there throughout is returned at least once. A collection as small as Redis keeps packed is returned whole, as Redis does.
 */
import { doubleText } from '../../protocol/resp/double-text.js';
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CollectionName, CollectionView, Execution } from '../../storage/execution.js';
import { positionEnd } from '../../storage/key-order.js';
import { decodeScore, encodeScore } from '../../storage/score-value.js';
import type { Run } from '../command-table.js';
import { matchesGlob } from '../glob-pattern.js';
import { isToken, parseInteger, parseUnsigned } from './arguments.js';
import { invalidCursor, notAnInteger, syntaxError } from './errors.js';

const countDefault = 10;
/** Elements looked at by one command, whatever its COUNT. */
const countMost = 20_000;
/** Up to so many are returned at once. */
const wholeMost = 128;

interface Options {
  readonly count: number;
  readonly pattern: Buffer | undefined;
  readonly values: boolean;
}

function parseOptions(args: readonly Buffer[], mayLeaveOutValues: boolean): Options | ErrorReply {
  let count = countDefault;
  let pattern: Buffer | undefined;
  let values = true;
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    const value = args[i + 1];
    if (isToken(option, 'COUNT') && value !== undefined) {
      const parsed = parseInteger(value);
      if (parsed === undefined) return notAnInteger;
      if (parsed < 1) return syntaxError;
      count = Number(parsed > countMost ? countMost : parsed);
      i++;
    } else if (isToken(option, 'MATCH') && value !== undefined) {
      pattern = value;
      i++;
    } else if (mayLeaveOutValues && isToken(option, 'NOVALUES')) values = false;
    else return syntaxError;
  }
  return { count, pattern, values };
}

/** Redis keeps whole scores of a packed sorted set as integers, and shows them so: up to 2^62. */
const packedBytesMost = 64;
const integerMost = 2 ** 62;

function scoreText(value: Buffer, isPacked: boolean): Buffer {
  const score = decodeScore(value);
  const isInteger = isPacked && Number.isInteger(score) && Math.abs(score) <= integerMost;
  return Buffer.from(isInteger ? String(BigInt(score)) : doubleText(score), 'latin1');
}

/** A sorted set's in its order, as Redis has them. */
function allOf(execution: Execution, key: Buffer, type: CollectionName, collection: CollectionView): readonly Buffer[] {
  if (type !== 'zset') return collection.pairs();
  return (execution.sorted(key)?.slice(0, wholeMost) ?? []).flatMap(({ member, score }) => [member, encodeScore(score)]);
}

/** `type`'s elements, with their values where the type has them. In Redis' order: the cursor, the key, the options. */
export function parseElementScan(args: readonly Buffer[], type: CollectionName): Run | ErrorReply {
  const [, key, cursorText] = args as readonly [Buffer, Buffer, Buffer];
  const asked = parseUnsigned(cursorText);
  if (asked === undefined) return invalidCursor;
  const cursor = Math.min(Number(asked), positionEnd - 1);
  const hasValues = type !== 'set';
  const options = parseOptions(args, type === 'hash');
  return (execution): Reply => {
    const collection = execution.collection(key, type);
    if (collection === undefined) return ['0', []];
    if (options instanceof ErrorReply) return options;
    const { size } = collection;
    const isSmall = size <= wholeMost;
    const { pairs, next } = isSmall
      ? { pairs: allOf(execution, key, type, collection), next: undefined }
      : collection.scan(cursor, options.count);
    const isPacked = isSmall && pairs.every((bytes) => bytes.length <= packedBytesMost);
    const found: Buffer[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      const element = pairs[i] as Buffer;
      if (options.pattern !== undefined && !matchesGlob(options.pattern, element)) continue;
      found.push(element);
      if (hasValues && options.values) found.push(type === 'zset' ? scoreText(pairs[i + 1] as Buffer, isPacked) : (pairs[i + 1] as Buffer));
    }
    return [String(next ?? 0), found];
  };
}
