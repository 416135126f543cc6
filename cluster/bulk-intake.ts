/**
 * What comes from peers in pieces is taken here once it is whole, as if it had come in a frame of its own: a batch is stored over several turns, records too large for
 * one turn are brought to the log first.
 *
 * Invariant: the last piece of a frame is answered when all of the frame was taken, so that what its sender keeps behind it comes after it.
 */
import { torc } from '../protocol/generated/messages.js';
import { counterMs } from '../protocol/dot.js';
import type { Clock } from '../storage/clock.js';
import type { Store } from '../storage/store.js';
import type { BulkReceiver } from './bulk-receiver.js';
import type { EventLog } from './events.js';
import type { Peer } from './peer.js';
import type { Replica } from './replica.js';

export interface BulkIntakeOptions {
  readonly store: Store;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly peers: () => Iterable<Peer>;
  /** Takes a frame that came whole. */
  readonly take: (peer: Peer, frame: torc.Frame, bulk: BulkReceiver) => void;
  readonly log: EventLog;
}

export class BulkIntake {
  /** Something large may be on its way here. */
  private seesLarge = false;
  /** So far. */
  piecesReceived = 0;

  constructor(private readonly options: BulkIntakeOptions) {}

  /** A piece came over the stream of `bulk`. Throws what a message that makes no sense throws. */
  receive(peer: Peer, piece: torc.BulkPiece, bulk: BulkReceiver): void {
    this.seesLarge = true;
    this.piecesReceived++;
    const step = bulk.push(piece);
    if (step === undefined) return;
    const { received, whole } = step;
    const answer = (): void => peer.link.say({ bulkAcks: [{ id: piece.id, received }] });
    if (whole === undefined) {
      if (bulk.takingBytes === 0) answer();
    } else if (whole.batches) {
      answer();
      this.options.replica.receiveLarge(peer, whole.id, whole.bytes);
    } else this.takeFrame(peer, torc.Frame.decode(whole.bytes), bulk, whole.bytes.length, answer);
  }

  /** Bytes of large batches of the partition that are on their way here. */
  arrivingBytes(partition: number): number {
    if (!this.seesLarge) return 0; // every read asks
    const { replica } = this.options;
    let bytes = replica.storingBytes(partition);
    this.seesLarge = replica.isStoring;
    for (const peer of this.options.peers()) {
      for (const bulk of peer.bulks) {
        if (bulk.arrivingBytes > 0) this.seesLarge = true;
        if (peer.reachable && bulk.partition === partition) bytes += bulk.arrivingBytes;
      }
    }
    return bytes;
  }

  private takeFrame(peer: Peer, frame: torc.Frame, bulk: BulkReceiver, bytes: number, answer: () => void): void {
    const { store, clock, log } = this.options;
    const take = (): void => {
      answer();
      peer.frameSent(counterMs(frame.clock), clock.monotonicMs()); // how long its pieces took counts, too
      this.options.take(peer, frame, bulk);
    };
    const transfers = transfersOf(frame);
    if (store.isHeld || !store.hasToPrepare(transfers)) return take(); // what the log cannot have is refused there
    bulk.takingBytes = bytes;
    store.prepareTransfers(transfers, () => {
      if (bulk.ended) return;
      bulk.takingBytes = 0;
      try {
        take();
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log('warn', `records of node '${peer.nodeId}' make no sense: ${reason}`, { event: 'frame-refused', peer: peer.nodeId, reason });
      }
    });
  }
}

/** The records of a frame that are taken within the turn that it is. Those of questions about trees wait for what is here to be loaded (record-repair.ts). */
function transfersOf({ transfers, readAnswers }: torc.Frame): torc.Transfer[] {
  const answered = (readAnswers?.different ?? []).map(({ transfer }) => transfer);
  return [...transfers, ...answered].filter((transfer) => Boolean(transfer)) as torc.Transfer[];
}
