/** What peers send of records, decoded and checked whole before any of it is stored. */
import { FormatError } from '../protocol/format-error.js';
import type { Term } from '../protocol/dot.js';
import { GatheredBytes } from '../protocol/gathered-bytes.js';
import { torc } from '../protocol/generated/messages.js';
import { longField } from '../protocol/peer/framing.js';
import { decodeRecord, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { decodeRecordKey, recordPart, recordType, type RecordKey } from '../protocol/record-key.js';
import { typeOfByte } from './collection-types.js';
import { isPosition } from './list-position.js';
import { clockOf, decodeAhead } from './partition-clocks.js';
import type { Ahead } from './partition.js';

const noBytes = Buffer.alloc(0);

/** Records of another type are of a later release: they must not be taken for what they are not. A list's element has its position in `bytes`. */
export function assertKnown(type: number, part: number, bytes: Buffer, elementAt: number, elementLength: number): void {
  const isKnown = type === recordType.string ? part === recordPart.value : typeOfByte(type) !== undefined && part !== recordPart.value;
  if (!isKnown) throw new FormatError('UNKNOWN', `a record of type ${type}, part ${part}`);
  if (type === recordType.list && part === recordPart.element && !isPosition(bytes, elementAt, elementLength))
    throw new FormatError('INVALID', `an element of a list at no position: ${bytes.toString('hex', elementAt, elementAt + elementLength)}`);
}

/** What is decided of a transfer when it is applied, and in its sliced entry stands at the end. */
const transferFlag = { complete: 1, replaces: 2 } as const;

export function transferFlags({ complete, replaces }: torc.Transfer.$Shape): number {
  return (complete === true ? transferFlag.complete : 0) | (replaces === true ? transferFlag.replaces : 0);
}

export function flagged(transfer: torc.Transfer, flags: number): torc.Transfer {
  transfer.complete = (flags & transferFlag.complete) !== 0;
  transfer.replaces = (flags & transferFlag.replaces) !== 0;
  return transfer;
}

/** In frame.proto: `Transfer.record`. */
const recordField = 4;
/** A larger record is not copied. */
const copiedBytesMost = 256 * 1024;

/** The transfer, encoded around its large records: they are borrowed, and nobody may write to them. */
export function gatheredTransfer({ record, ...head }: torc.Transfer): GatheredBytes {
  const parts = [torc.Transfer.encode(head).finish() as Buffer];
  let small: Uint8Array[] = [];
  const encodeSmall = (): void => {
    if (small.length > 0) parts.push(torc.Transfer.encode({ record: small }).finish() as Buffer);
    small = [];
  };
  for (const each of record) {
    if (each.length <= copiedBytesMost) small.push(each);
    else {
      encodeSmall();
      parts.push(...longField(recordField, [each as Buffer]));
    }
  }
  encodeSmall();
  return new GatheredBytes(parts);
}

export interface DecodedTransfer {
  readonly partition: number;
  readonly term: Term;
  /** Borrowed. */
  readonly records: readonly (RecordKey & { readonly record: VersionedRecord })[];
  readonly seen: VectorClock;
  readonly complete: boolean;
  readonly ahead: readonly Ahead[];
  readonly purged: VectorClock;
  readonly replaces: boolean;
}

/** All of it, so that a malformed one is refused whole. Throws FormatError. */
export function decodeTransfer(transfer: torc.Transfer): DecodedTransfer {
  return {
    partition: transfer.partition,
    term: { counter: transfer.termCounter, actor: transfer.termActor },
    records: transfer.key.map((encodedKey, i) => {
      const recordKey = decodeRecordKey(encodedKey as Buffer);
      assertKnown(recordKey.type, recordKey.part, recordKey.element, 0, recordKey.element.length);
      return { ...recordKey, record: decodeRecord((transfer.record[i] ?? noBytes) as Buffer) };
    }),
    seen: clockOf(transfer.seen),
    complete: transfer.complete,
    ahead: decodeAhead(transfer.ahead),
    purged: clockOf(transfer.purged),
    replaces: transfer.replaces,
  };
}
