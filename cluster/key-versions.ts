/** What every home replica holds of one record, a string's or an element's, in words: TORC VERSION. */
import { decodeRecord, type VersionedRecord } from '../protocol/record.js';
import { encodeRecordKey, recordPart, recordType, type RecordKey } from '../protocol/record-key.js';
import { slotOf } from '../protocol/slot.js';
import { effectiveContext, emptyRecord, mergeRecords, recordsEqual } from '../storage/merge.js';
import { clockText } from './actor-names.js';
import type { Node } from './node.js';
import { partitionOfSlot } from './ring.js';

export interface KeyVersion {
  readonly member: string;
  /** `{node1: 12, node2: 7}`; `{}` when the replica has no record. */
  readonly context: string;
  /** Concurrent versions; 0 = deleted, or never written. */
  readonly values: number;
  /** It has seen all that the replicas that answered have, and so holds what they come to. */
  readonly equal: boolean;
  /** Why the replica did not say. */
  readonly error?: string;
}

const timeoutMs = 1000;
const noElement: Buffer = Buffer.alloc(0);

/** An element of a collection: a field, a member. */
export interface ElementName {
  readonly type: 'hash' | 'set' | 'zset';
  readonly element: Buffer;
}

/** One entry per home replica, in preference order. */
export async function keyVersions(node: Node, key: Buffer, of?: ElementName): Promise<KeyVersion[]> {
  const { membership } = node;
  const { configuration } = membership;
  if (configuration === undefined) return [];
  const slot = slotOf(key);
  const partition = partitionOfSlot(slot, configuration.partitions);
  const recordKey =
    of === undefined
      ? { slot, key, type: recordType.string, part: recordPart.value, element: noElement }
      : { slot, key, type: recordType[of.type], part: recordPart.element, element: of.element };
  const answers = await Promise.all(
    membership.preferenceList(partition).map(async (index) => {
      const member = configuration.members[index]?.nodeId ?? '?';
      return { member, record: await recordAt(node, index, partition, recordKey) };
    }),
  );
  const merged = answers.reduce((all, { record }) => (record === undefined ? all : mergeRecords(all, record)), emptyRecord);
  return answers.map(({ member, record }) => {
    if (record === undefined) return { member, context: '{}', values: 0, equal: false, error: 'no answer' };
    const context = clockText(configuration, effectiveContext(record));
    return { member, context, values: record.versions.length, equal: recordsEqual(record, merged) };
  });
}

/** The record that the member holds, empty when it has none; undefined when it does not say. */
async function recordAt(node: Node, member: number, partition: number, recordKey: RecordKey): Promise<VersionedRecord | undefined> {
  const peer = node.membership.peer(member);
  if (peer === undefined) return (await node.ownRecord(partition, recordKey)) ?? emptyRecord;
  const { slot, key, type, part, element } = recordKey;
  const transfer = await node.reader.inspect(peer, encodeRecordKey(slot, key, type, part, element), timeoutMs);
  if (transfer === undefined) return undefined;
  const bytes = transfer.record[0];
  return bytes === undefined ? emptyRecord : decodeRecord(bytes as Buffer);
}
