/**
 * The seeds: where a node looks for others when it knows none, or no longer where they are. A seed may be a DNS name that stands for several
 * nodes, and for others tomorrow, so it is resolved anew whenever it is used.
 */
import type { Clock, Random } from '../storage/clock.js';
import type { PeerAddress, Resolver } from './transport.js';

/** Between two looks while the node does not know its cluster. */
const lookAgainMs = 1000;

export interface SeedsOptions {
  readonly seeds: readonly PeerAddress[];
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
}

export class Seeds {
  private looking = false;

  constructor(private readonly options: SeedsOptions) {}

  get count(): number {
    return this.options.seeds.length;
  }

  /** Calls `found` with the addresses that the seeds stand for, one seed's at a time, now and again each second until stop(). */
  look(found: (seed: PeerAddress, addresses: readonly PeerAddress[]) => void): void {
    this.looking = true;
    const again = (): void => {
      if (!this.looking) return;
      for (const seed of this.options.seeds) this.resolve(seed, (addresses) => this.looking && found(seed, addresses));
      this.options.clock.after(lookAgainMs, again);
    };
    again();
  }

  stop(): void {
    this.looking = false;
  }

  /** Calls `found` with one of the addresses of one of the seeds, by chance; not at all when it stands for none. */
  pick(found: (address: PeerAddress) => void): void {
    const { seeds, random } = this.options;
    const seed = seeds[seeds.length === 0 ? 0 : random.integer(seeds.length)];
    if (seed === undefined) return;
    this.resolve(seed, (addresses) => {
      const address = addresses[addresses.length === 0 ? 0 : random.integer(addresses.length)];
      if (address !== undefined) found(address);
    });
  }

  private resolve(seed: PeerAddress, found: (addresses: readonly PeerAddress[]) => void): void {
    this.options.resolver.resolve(seed.host, (hosts) => found(hosts.map((host) => ({ host, port: seed.port }))));
  }
}
