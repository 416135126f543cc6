/** What every home replica holds of one key, in words: TORC VERSION. */
import { memberNumberOf, lifeOf } from '../protocol/dot.js';
import { decodeRecord, type VersionedRecord } from '../protocol/record.js';
import { slotOf } from '../protocol/slot.js';
import { effectiveContext } from '../storage/merge.js';
import type { Node } from './node.js';
import { partitionOfSlot } from './ring.js';

export interface KeyVersion {
  readonly member: string;
  /** `{node1: 12, node2: 7}`; `{}` when the replica has no record. */
  readonly context: string;
  /** Concurrent versions; 0 = deleted, or never written. */
  readonly values: number;
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
  const nameOf = (actor: number): string => {
    const name = configuration.members.find(({ number }) => number === memberNumberOf(actor))?.nodeId ?? `member ${memberNumberOf(actor)}`;
    return lifeOf(actor) === 1 ? name : `${name}/${lifeOf(actor)}`;
  };
  const described = (member: string, record: VersionedRecord | undefined): KeyVersion => {
    const context = record === undefined ? [] : [...effectiveContext(record)].sort(([x], [y]) => x - y);
    return {
      member,
      context: `{${context.map(([actor, counter]) => `${nameOf(actor)}: ${counter}`).join(', ')}}`,
      values: record?.versions.length ?? 0,
    };
  };
  return Promise.all(
    membership.preferenceList(partition).map(async (index) => {
      const member = configuration.members[index]?.nodeId ?? '?';
      const peer = membership.peer(index);
      if (peer === undefined) return described(member, await node.ownRecord(partition, key));
      const transfer = await node.reader.inspect(peer, key, timeoutMs);
      if (transfer === undefined) return { member, context: '{}', values: 0, error: 'no answer' };
      const bytes = transfer.record[0];
      return described(member, bytes === undefined ? undefined : decodeRecord(bytes as Buffer));
    }),
  );
}
