/**
 * A transfer whose last record is large, and the frame around it, without a copy of the value: the encoder of frames copies what it is given each time it grows, of half
 * a gigabyte more than a second in one turn.
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { torc } from '../protocol/generated/messages.js';
import { longField } from '../protocol/peer/framing.js';
import { encodeRecordAround, type VersionedRecord } from '../protocol/record.js';

/** In frame.proto: `Frame.transfers`, `Frame.read_answers`, `ReadAnswers.different`, `Difference.transfer`, `Transfer.record`. */
const field = { transfers: 11, readAnswers: 7, different: 2, transfer: 2, record: 4 } as const;

/** A value of more bytes is left out of its record: more than goes in a frame, so that such a transfer always goes in pieces. */
const copiedBytesMost = 1024 * 1024;

/** Such a transfer goes alone in its frame. */
export interface LongTransfer extends torc.Transfer.$Shape {
  /** Follows the bytes of the last of `record`; undefined = they are whole. */
  readonly rest?: Buffer | undefined;
}

export interface EncodedRecord {
  readonly bytes: Buffer;
  /** Follows them; shared with the record. */
  readonly rest: Buffer | undefined;
}

export function encodedRecord(record: VersionedRecord): EncodedRecord {
  const writer = new ByteWriter(256);
  const rest = encodeRecordAround(writer, record, copiedBytesMost);
  return { bytes: writer.take(), rest };
}

/** Bytes of the records in a transfer. */
export function bytesOfTransfer({ record, rest }: LongTransfer): number {
  let bytes = rest?.length ?? 0;
  if (record) for (const each of record) bytes += each.length;
  return bytes;
}

/** The frame, encoded, in parts that nobody may write to. */
export function frameParts(frame: torc.Frame.$Shape): Buffer[] {
  const { transfers, readAnswers, ...others } = frame;
  const [pushed] = transfers ?? [];
  const [answer] = readAnswers?.different ?? [];
  const start = (): Buffer => torc.Frame.encode(others).finish() as Buffer;
  if (pushed !== undefined && isLong(pushed) && transfers?.length === 1 && !readAnswers)
    return [start(), ...longField(field.transfers, transferParts(pushed))];
  if (answer?.transfer && isLong(answer.transfer) && readAnswers?.different?.length === 1 && !transfers) {
    const { transfer, ...head } = answer;
    const difference = [torc.Difference.encode(head).finish() as Buffer, ...longField(field.transfer, transferParts(transfer))];
    return [start(), ...longField(field.readAnswers, longField(field.different, difference))];
  }
  if ([...(transfers ?? []), answer?.transfer].some((each) => each && isLong(each))) throw new Error('a long transfer is among others');
  return [torc.Frame.encode(frame).finish() as Buffer];
}

function isLong(transfer: LongTransfer): boolean {
  return transfer.rest !== undefined;
}

function transferParts(transfer: LongTransfer): Buffer[] {
  const { record, rest, ...head } = transfer;
  const records = record ?? [];
  const last = records.at(-1) as Buffer | undefined;
  if (last === undefined || rest === undefined) throw new Error('a long transfer without a record');
  const before = torc.Transfer.encode({ ...head, record: records.slice(0, -1) }).finish() as Buffer;
  return [before, ...longField(field.record, [last, rest])];
}
