/** What commands may do to this node, on the real one. */
import type { Node } from '../cluster/node.js';
import type { Store } from '../storage/store.js';
import type { ClientGate } from './client-gate.js';
import type { NodeControl } from './local-context.js';
import { systemClock } from './system-clock.js';

interface Controlled {
  readonly node: Node;
  readonly store: Store;
  readonly gate: ClientGate;
  readonly shutDown: NodeControl['shutDown'];
}

export function nodeControl({ node, store, gate, shutDown }: Controlled): NodeControl {
  return {
    pauseClients: (what, ms) => gate.pause(what, ms),
    unpauseClients: () => gate.unpause(),
    shutDown,
    replicasHolding: (partitions, wanted, ended) => node.replicasHolding(partitions, wanted, ended),
    after: (ms, callback) => systemClock.after(ms, callback),
    keyCounts() {
      let keys = 0;
      let expiring = 0;
      for (let number = 0; number < node.view.partitions; number++) {
        const partition = store.partition(number);
        keys += partition.aliveEntries;
        expiring += partition.expiring.size;
      }
      return { keys, expiring };
    },
  };
}
