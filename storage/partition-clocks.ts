/** A partition's clocks as bytes: one engine row each, and the columns in which peers send them. */
import { torc } from '../protocol/generated/messages.js';
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { decodeClock, emptyClock, encodeClock, type VectorClock } from '../protocol/record.js';
import type { Ahead, Partition } from './partition.js';

export function encodeAhead(ahead: readonly Ahead[]): number[] {
  return ahead.flatMap((a) => [a.actor, a.counter, a.prev]);
}

/** Inverse of encodeAhead; a column that was cut short loses its last, incomplete item. */
export function decodeAhead(column: readonly number[]): Ahead[] {
  const ahead: Ahead[] = [];
  for (let i = 0; i + 2 < column.length; i += 3) {
    const [actor = 0, counter = 0, prev = 0] = column.slice(i, i + 3);
    ahead.push({ actor, counter, prev });
  }
  return ahead;
}

/** A clock from a protobuf field; empty bytes are the empty clock. Throws FormatError. */
export function clockOf(bytes: Uint8Array): VectorClock {
  return bytes.length === 0 ? emptyClock : decodeClock(new ByteReader(bytes as Buffer));
}

const clockWriter = new ByteWriter(64);

/** Inverse of clockOf; owned by the caller. */
export function clockBytes(clock: VectorClock): Buffer {
  clockWriter.reset();
  encodeClock(clockWriter, clock);
  return Buffer.from(clockWriter.view());
}

export function encodePartitionClocks(partition: Partition): Buffer {
  return torc.PartitionClocks.encode({
    seen: clockBytes(partition.seen),
    ahead: encodeAhead(partition.ahead),
    purged: clockBytes(partition.purged),
    promisedCounter: partition.promised.counter,
    promisedActor: partition.promised.actor,
    withoutContexts: partition.contexts === 0 && !partition.hasHiddenContexts,
  }).finish() as Buffer;
}

/** Sets a fresh partition's clocks from its engine row. Throws FormatError or protobuf's RangeError. */
export function restorePartitionClocks(partition: Partition, row: Buffer): void {
  const clocks = torc.PartitionClocks.decode(row);
  for (const [actor, counter] of clockOf(clocks.seen)) partition.seen.set(actor, counter);
  partition.ahead = decodeAhead(clocks.ahead);
  partition.purged = clockOf(clocks.purged);
  partition.hasHiddenContexts = !clocks.withoutContexts;
  partition.promised = { counter: clocks.promisedCounter, actor: clocks.promisedActor };
}
