/** What this node's own disk lets it do: it may be nearly full, behind, or refuse writes (docs/decisions/0042-failing-disks.md), and what follows for its part in the cluster. */
import type { Clock } from '../storage/clock.js';
import type { StorageError } from '../storage/engine.js';
import type { Membership } from './membership.js';
import type { NodeOptions } from './node-options.js';
import type { Peer } from './peer.js';
import type { StandIns } from './stand-ins.js';

export interface OwnDiskOptions {
  readonly membership: Membership;
  readonly clock: Clock;
  readonly log: NodeOptions['log'];
  readonly standIns: Pick<StandIns, 'dropTurn'>;
  /** False before the node knows a configuration, and once it is closed. */
  readonly isReady: () => boolean;
  readonly peers: () => Iterable<Peer>;
  readonly sayToAll: () => void;
  /** Leaves what this node coordinates to others. */
  readonly dropAll: () => void;
  readonly scheduleTurn: () => void;
}

export class OwnDisk {
  private closed = false;

  constructor(private readonly options: OwnDiskOptions) {}

  /** It is nearly full, or has room again. What others with room may coordinate is left to them. */
  setFull(full: boolean): void {
    this.options.membership.nearlyFull = full;
    this.takesWritesChanged();
  }

  /** So much waits for it that memory takes no more writes, or it has caught up. Called in the middle of a turn's end: what follows from it comes after that. */
  setBehind(behind: boolean): void {
    const { membership, log, clock } = this.options;
    membership.behind = behind;
    membership.changed();
    if (behind)
      log('warn', 'the disk does not keep up with the writes, and write-backlog-max is reached: no writes are taken', {
        event: 'disk-behind',
      });
    else log('info', 'the disk has caught up: writes are taken again', { event: 'disk-caught-up' });
    clock.after(0, () => {
      if (!this.closed) this.takesWritesChanged();
    });
  }

  /** It refuses writes, and why, or it takes them again and has all that memory has. Called in the middle of a turn's end: what follows from it comes after that. */
  changed(reason: StorageError | undefined): void {
    const { membership, log, clock } = this.options;
    membership.failing = reason !== undefined;
    membership.changed();
    if (reason !== undefined)
      log('warn', `the disk refuses writes, and is tried again each second: ${reason.message}`, {
        event: 'disk-failing',
        reason: reason.message,
      });
    else log('info', 'the disk takes writes again, and has all that was written', { event: 'disk-recovered' });
    clock.after(0, () => {
      if (!this.closed) this.takesWritesChanged();
    });
  }

  /**
   * The log took nothing of this turn. What was gathered for peers may rest on it, so it is dropped with the links, which come back at once; what they are told from then on
   * does not show what the log lacks. Clients' replies wait for settled batches and may leave; but a node that is alone counts on the log alone, which is what is returned.
   */
  hold(isFirst: boolean): boolean {
    const { peers, standIns, membership } = this.options;
    for (const { link } of peers()) {
      link.dropTurn();
      if (isFirst) link.reset('the disk refuses writes');
    }
    standIns.dropTurn();
    return membership.memberCount <= 1;
  }

  close(): void {
    this.closed = true;
  }

  private takesWritesChanged(): void {
    const { membership, isReady, sayToAll, dropAll, scheduleTurn } = this.options;
    membership.changed();
    if (isReady()) sayToAll();
    // Alone it could not take anything over again, as that is written, and nobody else would.
    if (membership.full && !(membership.failing && membership.memberCount <= 1)) dropAll();
    scheduleTurn();
  }
}
