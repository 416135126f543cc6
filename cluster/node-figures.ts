/** Figures of a node's side of the cluster, for INFO, TORC STATUS and metrics. Read only, and only when somebody asks. */
import { counterMs } from '../protocol/dot.js';
import type { Store } from '../storage/store.js';
import type { AntiEntropy } from './anti-entropy.js';
import type { Comparison } from './comparison.js';
import type { Coordination } from './coordination.js';
import type { Coordinator } from './coordinator.js';
import type { ExpirySweeper } from './expiry-sweeper.js';
import type { Gossiper } from './gossiper.js';
import type { HandOff } from './hand-off.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import type { Peers } from './peers.js';
import type { Purger } from './purger.js';
import type { Reader } from './reader.js';
import type { Rebuild } from './rebuild.js';
import type { RetiredGaps } from './retired-gaps.js';
import type { Replica } from './replica.js';
import type { Router } from './router.js';
import type { StandIns } from './stand-ins.js';
import type { TakeOver } from './take-over.js';

export interface PeerFigures {
  readonly nodeId: string;
  readonly reachable: boolean;
  /** Of frames. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Of batches that it has not acknowledged. */
  readonly unackedBytes: number;
  /** Of frames that the network has not taken. */
  readonly bufferedBytes: number;
  /** Kept here on disk for it. */
  readonly hintBytes: number;
  /** Age of the oldest batch that is still to reach it. */
  readonly lagMs: number;
}

/** The parts of a node that count something. */
export interface CountingParts {
  readonly takeOver: TakeOver;
  readonly coordinator: Coordinator;
  readonly replica: Replica;
  readonly router: Router;
  readonly reader: Reader;
  readonly comparison: Comparison;
  readonly antiEntropy: AntiEntropy;
  readonly standIns: StandIns;
  readonly handOff: HandOff;
  readonly retiredGaps: RetiredGaps;
  readonly gossiper: Gossiper;
  readonly peers: Peers;
  hintBytes(): readonly (readonly [nodeId: string, bytes: number])[];
}

export function nodeFigures(
  node: CountingParts,
  rebuild: Rebuild,
  purger: Purger,
  sweeper: ExpirySweeper,
  known: readonly Coordination[],
): readonly (readonly [name: string, value: string | number])[] {
  let running = 0;
  let unsettled = 0;
  for (const coordination of known) {
    if (coordination.state === 'running') running++;
    unsettled += coordination.unsettled;
  }
  const links = [...node.peers.all()];
  return [
    ['doubtful', rebuild.isInDoubt ? 1 : 0],
    ['doubtful_partitions', rebuild.doubtfulPartitions],
    ['coordinated_partitions', running],
    ['take_overs', node.takeOver.finished],
    ['unsettled_batches', unsettled],
    ['batches_written', node.coordinator.batchesWritten],
    ['batches_applied', node.replica.batchesApplied],
    ['commands_forwarded', node.router.forwarded],
    ['versions_compared', node.reader.compared],
    ['versions_differed', node.reader.differed],
    ['catch_ups', node.comparison.finished],
    ['partitions_behind', node.comparison.partitionsBehind],
    ['versions_forgotten_elsewhere', node.comparison.dropped],
    ['retired_gaps_closed', node.retiredGaps.closed],
    ['purge_backlog', purger.backlog],
    ['expired_keys', sweeper.expired],
    ['expired_elements', sweeper.expiredElements],
    ...node.antiEntropy.statistics(),
    ['unacknowledged_bytes', links.reduce((bytes, { link }) => bytes + link.queuedBytes, 0)],
    ['hint_bytes', node.hintBytes().reduce((sum, [, bytes]) => sum + bytes, 0)],
    ...node.hintBytes().map(([nodeId, bytes]) => [`hint_bytes_for_${nodeId}`, bytes] as const),
    ['hints_sent_to_stand_ins', node.standIns.batchesSent],
    ['hints_kept', node.handOff.counts.kept],
    ['hints_handed_over', node.handOff.counts.handedOver],
    ['hints_taken', node.handOff.counts.taken],
    ['hints_dropped', node.handOff.counts.dropped + node.standIns.batchesDropped],
    ['dropped_batches', links.reduce((batches, { link }) => batches + link.droppedBatches, 0)],
    ['peer_bytes_out', links.reduce((bytes, { link }) => bytes + link.bytesSent, 0)],
    ['gossip_nodes', node.gossiper.view.size],
    ['gossip_rounds', node.gossiper.rounds],
    ['gossip_failed_exchanges', node.gossiper.failures],
    ['gossip_refutations', node.gossiper.view.refutations],
    ['gossip_ignored_nodes', node.gossiper.view.ignored],
    ['gossip_messages_out', node.gossiper.traffic.messagesOut],
    ['gossip_messages_in', node.gossiper.traffic.messagesIn],
    ['gossip_bytes_out', node.gossiper.traffic.bytesOut],
    ['gossip_bytes_in', node.gossiper.traffic.bytesIn],
    ['peer_bytes_in', links.reduce((bytes, { bytesReceived }) => bytes + bytesReceived, 0)],
  ];
}

export function peerFigures(peers: Iterable<Peer>, membership: Membership, store: Store): PeerFigures[] {
  const nowMs = store.hybridClock.nowMs();
  return [...peers]
    .filter(({ member }) => member >= 0)
    .map((peer) => {
      const { link, nodeId, reachable, bytesReceived } = peer;
      const number = membership.numberOf(peer.member);
      const kept = store.hints.lanesOf(number).map(({ oldestMs }) => oldestMs);
      const unackedMs = link.oldestUnacked === undefined ? nowMs : counterMs(link.oldestUnacked);
      return {
        nodeId,
        reachable,
        bytesReceived,
        bytesSent: link.bytesSent,
        unackedBytes: link.queuedBytes,
        bufferedBytes: link.streamBufferedBytes,
        hintBytes: store.hints.bytesOf(number),
        lagMs: Math.max(0, nowMs - Math.min(unackedMs, ...kept)),
      };
    });
}
