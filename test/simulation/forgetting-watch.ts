/**
 * What the nodes of a simulated cluster forget, looked at in the moment in which they do (ARCHITECTURE.md, "Forgetting"): each home replica must have seen
 * all of it by then. And it is kept by key, so that nobody may lack a write of a key for any other reason than that this very write was forgotten.
 */
import { emptyClock, type VectorClock, type VersionedRecord } from '../../protocol/record.js';
import type { KeyTable } from '../../storage/key-table.js';
import { effectiveContext } from '../../storage/merge.js';
import { Partition } from '../../storage/partition.js';
import type { Store } from '../../storage/store.js';
import { coversClock, maxClock } from '../../storage/vector-clock.js';

interface Forgotten {
  readonly partition: number;
  /** latin1. */
  readonly key: string;
  /** Of it nothing is left in the record. */
  readonly context: VectorClock;
  /** What every home replica must have seen. */
  readonly whole: VectorClock;
}

type Listener = (forgotten: Forgotten) => void;

/** By the table of a store; those of a store that is still replaying its log wait for whoever will listen. */
const listeners = new WeakMap<KeyTable, Listener | Forgotten[]>();

const forget = Reflect.get(Partition.prototype, 'forget') as (this: Partition, entry: number, record: VersionedRecord) => void;
Partition.prototype.forget = function (entry, record) {
  const key = this.table.nameOf(entry);
  const forgotten = { partition: this.number, key, context: record.context, whole: effectiveContext(record) };
  const listener = listeners.get(this.table);
  if (typeof listener === 'function') listener(forgotten);
  else if (listener === undefined) listeners.set(this.table, [forgotten]);
  else listener.push(forgotten);
  forget.call(this, entry, record);
};

export interface ForgettingWatchOptions {
  readonly homesOf: (partition: number) => readonly string[];
  /** All that the node ever claimed to have seen of the partition. */
  readonly everSeen: (node: string, partition: number) => VectorClock;
  /** A node forgot what it must not. */
  readonly failed: (fault: string) => void;
}

export class ForgettingWatch {
  readonly #byKey = new Map<string, VectorClock>();

  constructor(private readonly options: ForgettingWatchOptions) {}

  /** From now on, and what the replay of its log has forgotten: that was judged when it was forgotten first. */
  watch(name: string, store: Store): void {
    const replayed = listeners.get(store.table);
    listeners.set(store.table, (forgotten) => {
      this.#note(forgotten);
      this.#judge(name, forgotten);
    });
    if (Array.isArray(replayed)) for (const forgotten of replayed) this.#note(forgotten);
  }

  /** What some node has forgotten of the key: whoever had seen that need not show it. */
  of(partition: number, key: string): VectorClock {
    return this.#byKey.get(`${partition} ${key}`) ?? emptyClock;
  }

  #note({ partition, key, context }: Forgotten): void {
    this.#byKey.set(`${partition} ${key}`, maxClock(this.of(partition, key), context));
  }

  #judge(name: string, { partition, key, whole }: Forgotten): void {
    const { homesOf, everSeen, failed } = this.options;
    for (const home of homesOf(partition)) {
      const seen = everSeen(home, partition);
      if (!coversClock(seen, whole))
        failed(
          `${name} forgets ${JSON.stringify([...whole])} of ${key}, and ${home} has only seen ${JSON.stringify([...seen])} of partition ${partition}`,
        );
    }
  }
}
