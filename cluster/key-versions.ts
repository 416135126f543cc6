/** What every home replica holds of one key, in words: TORC VERSION. */
import { decodeRecord, type VersionedRecord } from '../protocol/record.js';
import { encodeRecordKey, recordPart, recordType } from '../protocol/record-key.js';
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

/** One entry per home replica, in preference order. */
export async function keyVersions(node: Node, key: Buffer): Promise<KeyVersion[]> {
  const { membership } = node;
  const { configuration } = membership;
  if (configuration === undefined) return [];
  const partition = partitionOfSlot(slotOf(key), configuration.partitions);
  const answers = await Promise.all(
    membership.preferenceList(partition).map(async (index) => {
      const member = configuration.members[index]?.nodeId ?? '?';
      return { member, record: await recordAt(node, index, partition, key) };
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
async function recordAt(node: Node, member: number, partition: number, key: Buffer): Promise<VersionedRecord | undefined> {
  const peer = node.membership.peer(member);
  if (peer === undefined) return (await node.ownRecord(partition, key)) ?? emptyRecord;
  const transfer = await node.reader.inspect(peer, encodeRecordKey(slotOf(key), key, recordType.string, recordPart.value), timeoutMs);
  if (transfer === undefined) return undefined;
  const bytes = transfer.record[0];
  return bytes === undefined ? emptyRecord : decodeRecord(bytes as Buffer);
}
