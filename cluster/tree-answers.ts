/**
 * What this replica answers to a peer's questions about trees (frame.proto, TreeQuestion). It trusts nothing of them: a peer that means another
 * configuration, or partitions that the two do not share, is told so.
 */
import type { torc } from '../protocol/generated/messages.js';
import { clockBytes, encodeAhead } from '../storage/partition-clocks.js';
import { branchCount, differences, digestBytes, leafCount, sha256 } from '../storage/merkle-tree.js';
import type { Store } from '../storage/store.js';
import type { Membership } from './membership.js';
import type { PartitionTrees } from './partition-trees.js';
import type { Peer } from './peer.js';
import { recordsLevel, type RecordRepair } from './record-repair.js';
import type { RepairPace } from './repair-pace.js';

/** What a question is about; fixed on the wire. */
export const level = { clocks: 0, roots: 1, branches: 2, leaves: 3, records: recordsLevel } as const;

/** Partitions whose trees one question may name. */
export const partitionsAtOnce = 64;

export interface TreeAnswersOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly trees: PartitionTrees;
  readonly repair: RecordRepair;
  readonly pace: RepairPace;
  readonly isDoubtful: (partition: number) => boolean;
}

/** Equal for replicas that have seen the same of all the partitions. */
export function clockDigest(store: Store, numbers: readonly number[]): Buffer {
  const parts = numbers.flatMap((number) => {
    const { seen, ahead } = store.partition(number);
    const head = Buffer.from([number >> 8, number & 0xff, ahead.length & 0xff]);
    return [head, clockBytes(seen), Buffer.from(Float64Array.from(encodeAhead(ahead)).buffer)];
  });
  return sha256(Buffer.concat(parts));
}

export class TreeAnswers {
  constructor(private readonly options: TreeAnswersOptions) {}

  /** Rejects with FormatError for what is malformed, else as PartitionTrees does. */
  async answer(peer: Peer, question: torc.TreeQuestion): Promise<torc.TreeAnswer.$Shape> {
    const refusal = this.refusal(peer, question);
    if (refusal !== undefined) return { refusal };
    switch (question.level) {
      case level.clocks:
        return this.clocks(question);
      case level.roots:
        return this.roots(peer, question);
      case level.branches:
        return this.branches(question);
      case level.leaves:
        return this.leaves(peer, question);
      case level.records:
        return this.options.repair.take(question.records as torc.Transfer);
      default:
        return { refusal: `level ${question.level} is not known here` };
    }
  }

  private refusal(peer: Peer, question: torc.TreeQuestion): string | undefined {
    const { membership, isDoubtful } = this.options;
    const { configuration } = membership;
    if (configuration === undefined || configuration.number !== question.configurationNumber)
      return `its configuration is ${configuration?.number ?? 0}`;
    if (question.level === level.records && !question.records) return 'records were expected';
    const numbers = question.level === level.records ? [question.records?.partition ?? 0] : question.partition;
    if (numbers.length === 0 || numbers.length > partitionsAtOnce) return `${numbers.length} partitions in one question`;
    for (const number of numbers) {
      if (number >= configuration.partitions) return `there is no partition ${number}`;
      if (!membership.isHome(number) || !membership.otherHomes(number).includes(peer)) return `partition ${number} is not on both`;
      if (isDoubtful(number)) return 'it is being rebuilt';
    }
    return undefined;
  }

  private clocks({ partition, digest }: torc.TreeQuestion): torc.TreeAnswer.$Shape {
    const { store } = this.options;
    if (clockDigest(store, partition).equals(digest)) return {};
    return { seen: partition.map((number) => clockBytes(store.partition(number).seen)) };
  }

  private async roots(peer: Peer, { partition, digest, round }: torc.TreeQuestion): Promise<torc.TreeAnswer.$Shape> {
    const { trees, pace } = this.options;
    const roots = await trees.roots(partition, pace, round, peer.nodeId);
    if (digest.length === 0 || sha256(roots).equals(digest)) return {};
    await pace.spend(roots.length);
    return { digest: roots };
  }

  private async branches({ partition, digest }: torc.TreeQuestion): Promise<torc.TreeAnswer.$Shape> {
    const { trees, pace } = this.options;
    const tree = await trees.prepare(partition[0] ?? 0);
    const branch = differences(tree.branches(), digest as Buffer);
    await pace.spend(branch.length * branchCount * digestBytes);
    return { branch, digest: Buffer.concat(branch.map((index) => tree.leavesOf(index))) };
  }

  /** Sends what the asker has not, and says what it has itself not. */
  private async leaves(peer: Peer, question: torc.TreeQuestion): Promise<torc.TreeAnswer.$Shape> {
    const { trees, repair, pace } = this.options;
    const { leaf, above, upTo } = question;
    const number = question.partition[0] ?? 0;
    const asked = leaf.filter((one) => one < leafCount);
    const mine = await trees.list(number, asked);
    const theirs = new Set<string>();
    const bytes = question.digest as Buffer;
    for (let at = 0; at < bytes.length; at += digestBytes) theirs.add(bytes.toString('latin1', at, at + digestBytes));
    const lacking: Buffer[] = [];
    for (const { digest, key } of mine) {
      if (theirs.delete(digest.toString('latin1'))) continue;
      if (isBetween(digest, above as Buffer, upTo as Buffer)) lacking.push(key);
    }
    await repair.push(peer, number, lacking);
    const wanted = Buffer.from([...theirs].join(''), 'latin1');
    await pace.spend(wanted.length);
    return { digest: wanted };
  }
}

function isBetween(digest: Buffer, above: Buffer, upTo: Buffer): boolean {
  return (above.length === 0 || Buffer.compare(digest, above) > 0) && (upTo.length === 0 || Buffer.compare(digest, upTo) <= 0);
}
