/** What peers say of this node's batches: they have them, or have them and count them for nothing, since another coordinates there now. */
import { memberNumberOf } from '../protocol/dot.js';
import type { torc } from '../protocol/generated/messages.js';
import type { Coordinator } from './coordinator.js';
import type { Peer } from './peer.js';
import type { StandIns } from './stand-ins.js';

export class Acknowledgements {
  constructor(
    private readonly coordinator: Pick<Coordinator, 'supersededAll' | 'unsettledAmong'>,
    private readonly standIns: Pick<StandIns, 'awaits'>,
    /** This node in clocks. */
    private readonly actor: () => number,
  ) {}

  acknowledged(peer: Peer, { actor, first, counter, superseded }: torc.Ack): void {
    if (memberNumberOf(actor) !== memberNumberOf(this.actor())) return;
    const over = superseded as torc.Superseded[];
    peer.link.acknowledged(first, counter, new Set(over.map((one) => one.counter)));
    if (over.length > 0) this.notCounted(peer, over);
  }

  /** Of one that went in pieces. */
  bulkAcknowledged(peer: Peer, ack: torc.BulkAck): void {
    const settlement = peer.link.bulkAcknowledged(ack);
    if (settlement === undefined) return;
    const over = (ack.stored?.superseded ?? []) as torc.Superseded[];
    if (over.length === 0) settlement.acknowledge();
    else this.notCounted(peer, over);
  }

  private notCounted(peer: Peer, over: readonly torc.Superseded[]): void {
    this.coordinator.supersededAll(over);
    this.standIns.awaits(peer, this.coordinator.unsettledAmong(over.map((one) => one.counter)));
  }
}
