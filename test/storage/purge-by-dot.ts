/** A planted bug: a tombstone goes once the dot that made it is seen everywhere, whatever else its context names (ARCHITECTURE.md, "Forgetting": its *whole* context). */
import type { VectorClock } from '../../protocol/record.js';
import { noEntry } from '../../storage/key-table.js';
import type { Partition } from '../../storage/partition.js';
import type { Store } from '../../storage/store.js';
import { coversClock } from '../../storage/vector-clock.js';

/** In place of `store.forgetting.step`. */
export function purgeByDot(store: Store, partition: Partition, seenByAll: VectorClock, limit: number): void {
  const mark = Reflect.get(store.forgetting, 'mark') as (entry: number) => void;
  for (let looked = 0; looked < limit && partition.pins === 0; looked++) {
    const entry = partition.nextContext();
    if (entry === noEntry) return;
    const record = store.table.recordOf(entry);
    if (record === undefined || record.versions.length > 0 || !store.table.isComplete(entry)) continue;
    const latest = [...record.context].reduce((one, other) => (other[1] > one[1] ? other : one));
    if (!coversClock(seenByAll, new Map([latest]))) continue;
    partition.forget(entry, record);
    partition.touchLeaf(entry);
    mark(entry);
  }
}
