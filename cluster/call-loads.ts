/**
 * Brings into memory what a call needs and lacks: its keys, its partition, or elements and collections that a run of it asked for. What waits for a long load is told
 * that it goes on, so that it has time.
 */
import { slotOf } from '../protocol/slot.js';
import type { Clock } from '../storage/clock.js';
import type { Collection } from '../storage/collection.js';
import type { Store } from '../storage/store.js';
import type { Need } from '../storage/transaction-reads.js';
import { notServedInTime, type Call } from './call.js';
import type { Membership } from './membership.js';
import { slotsOfPartition } from './ring.js';
import type { Turn } from './turn.js';

/** A key that is not in memory after so long is large, or the disk slow: what waits for it waits on, up to the second. */
const keyLoadMs = { slow: 500, most: 60_000 };

/** Who waits for a load: a call, or all calls of a partition. */
interface Waiting {
  goesOn(nowMs: number): void;
}

interface KeyLoad {
  readonly sinceMs: number;
  readonly waiting: Waiting;
}

export class CallLoads {
  /** Loads of keys that are under way, oldest first. */
  private readonly keyLoads = new Set<KeyLoad>();
  /** Calls that had to wait for the disk since a key of theirs was not in memory. */
  loadsWaitedFor = 0;

  constructor(
    private readonly around: { readonly store: Store; readonly membership: Membership; readonly turn: Turn; readonly clock: Clock },
  ) {}

  /** Tells what waits for slow loads that they go on. Called every few milliseconds. */
  tick(nowMs: number): void {
    for (const { sinceMs, waiting } of this.keyLoads) {
      if (nowMs - sinceMs < keyLoadMs.slow) break;
      if (nowMs - sinceMs < keyLoadMs.most) waiting.goesOn(nowMs);
    }
  }

  /** True when every key of the call is in memory, or known not to exist. */
  isLoaded(call: Call): boolean {
    const partition = this.around.store.partition(call.partition);
    const { keys, wholePartition } = call.operation;
    if (wholePartition) return partition.isResident;
    return partition.resident || keys.every((key) => partition.isLoaded(key));
  }

  /** Calls `loaded` once `isLoaded(call)` holds or the call is to be tried again. `waiting` is told while that goes on. */
  load(call: Call, then: () => void, waiting: Waiting = call): void {
    this.loadsWaitedFor++;
    const span = call.trace?.begin('storage/load', 'internal', {});
    const loaded = span === undefined ? then : (): void => (span.end(), then());
    const { store, membership, turn, clock } = this.around;
    const partition = store.partition(call.partition);
    const { keys, wholePartition } = call.operation;
    if (wholePartition) {
      const { firstSlot, lastSlot } = slotsOfPartition(call.partition, membership.configuration?.partitions ?? 1);
      store.loader.loadPartition(partition, firstSlot, lastSlot).then(
        () => {
          turn.schedule(); // memory that grew by this is looked through at the turn's end
          loaded();
        },
        () => call.answer(notServedInTime),
      );
      return;
    }
    const missing = keys.filter((key) => !partition.isLoaded(key));
    let open = missing.length;
    if (open === 0) return loaded();
    const keyLoad: KeyLoad = { sinceMs: turn.nowMs, waiting };
    this.keyLoads.add(keyLoad);
    const ended = (): void => {
      if (--open > 0) return;
      this.keyLoads.delete(keyLoad);
      const nowMs = clock.monotonicMs();
      if (nowMs - keyLoad.sinceMs > keyLoadMs.slow) waiting.goesOn(nowMs); // it may have been one long turn
      loaded();
    };
    for (const key of missing) store.loader.load(partition, key, slotOf(key), ended);
    turn.schedule();
  }

  /** Calls `loaded` once the elements, or whole collections, that a run of the call lacked are in memory, or the call is to be tried again. `waiting` is told while that goes on. */
  loadNeeds(call: Call, needs: readonly Need[], then: () => void, waiting: Waiting = call): void {
    this.loadsWaitedFor++;
    const span = call.trace?.begin('storage/load', 'internal', { 'torc.collection.count': needs.length });
    const loaded = span === undefined ? then : (): void => (span.end(), then());
    const { store, turn, clock } = this.around;
    const goesOn = (): void => waiting.goesOn(clock.monotonicMs());
    const partition = store.partition(call.partition);
    const byCollection = new Map<Collection, Buffer[] | 'all' | 'order'>();
    const apart: Need[] = [];
    for (const need of needs) {
      const { collection, element, order } = need;
      const known = byCollection.get(collection);
      if (need.range !== undefined || need.rows === true) apart.push(need);
      else if (order) byCollection.set(collection, 'order');
      else if (element === undefined) byCollection.set(collection, 'all');
      else if (known === undefined) byCollection.set(collection, [Buffer.from(element)]);
      else if (Array.isArray(known)) known.push(Buffer.from(element));
    }
    partition.pins++; // what is loaded stays until all of it is
    let open = byCollection.size + apart.length;
    const ended = (): void => {
      if (--open > 0) return;
      partition.pins--;
      turn.schedule(); // memory that grew by this is looked through at the turn's end
      loaded();
    };
    for (const { collection, range } of apart) {
      if (range === undefined) store.loader.loadRows(partition, collection, ended, goesOn);
      else store.loader.loadRange(partition, collection, range, ended, goesOn);
    }
    for (const [collection, elements] of byCollection) {
      if (elements === 'order') store.orders.fill(partition, collection, ended, goesOn);
      else if (elements !== 'all') store.loader.loadElements(partition, collection, elements, ended);
      else store.loader.loadCollection(partition, collection, goesOn).then(ended, () => undefined); // the node stops when it cannot read
    }
  }
}
