/** What happens many times at once, take-overs and hints, is told to the operator together: a line a round of gossip, not one for each. */
import type { EventLog } from './events.js';
import type { HandOff } from './hand-off.js';
import type { StandIns } from './stand-ins.js';
import type { TakeOver } from './take-over.js';

export class RoundLog {
  /** Counts at the last line about them. */
  private told = { tookOver: 0, kept: 0, handedOver: 0, dropped: 0 };

  constructor(
    private readonly log: EventLog,
    private readonly takeOver: TakeOver,
    private readonly handOff: HandOff,
    private readonly standIns: StandIns,
  ) {}

  tell(): void {
    const { log } = this;
    const { kept, handedOver, dropped } = this.handOff.counts;
    const now = { tookOver: this.takeOver.finished, kept, handedOver, dropped: dropped + this.standIns.batchesDropped };
    const before = this.told;
    this.told = now;
    const partitions = now.tookOver - before.tookOver;
    if (partitions > 0) log('info', `${partitions} partitions were taken over`, { event: 'took-over', partitions });
    const hints = { kept: now.kept - before.kept, handedOver: now.handedOver - before.handedOver, dropped: now.dropped - before.dropped };
    if (hints.kept + hints.handedOver + hints.dropped === 0) return;
    const text = `batches for nodes that are away: ${hints.kept} kept, ${hints.handedOver} handed over, ${hints.dropped} dropped`;
    log(hints.dropped > 0 ? 'warn' : 'info', text, { event: 'hints', ...hints });
  }
}
