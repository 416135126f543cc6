/**
 * What the nodes of a simulated cluster forget, looked at in the moment in which they do (ARCHITECTURE.md, "Forgetting"): each home replica must have seen
 * all of it by then. And it is kept by record, so that nobody may lack a write for any other reason than that this very write was forgotten, or lay under
 * a deletion of its collection that was.
 */
import { decodeRecordKey, recordPart } from '../../protocol/record-key.js';
import { emptyClock, type VectorClock, type VersionedRecord } from '../../protocol/record.js';
import type { KeyTable } from '../../storage/key-table.js';
import { cutOf, effectiveContext, emptyRecord } from '../../storage/merge.js';
import { Partition } from '../../storage/partition.js';
import type { Store } from '../../storage/store.js';
import { coversClock, maxClock } from '../../storage/vector-clock.js';

interface Forgotten {
  readonly partition: number;
  /** Record key in latin1. */
  readonly record: string;
  /** Of it nothing is left in the record. */
  readonly context: VectorClock;
  /** Of a deletion: what lay under it. */
  readonly cut: VectorClock;
  /** What every home replica must have seen. */
  readonly whole: VectorClock;
}

type Listener = (forgotten: Forgotten) => void;

/** By the table of a store; those of a store that is still replaying its log wait for whoever will listen. */
const listeners = new WeakMap<KeyTable, Listener | Forgotten[]>();

function note(partition: Partition, entry: number, record: VersionedRecord): void {
  const key = partition.recordKeyOf(entry);
  const whole = effectiveContext(record);
  const isDeletion = decodeRecordKey(key).part === recordPart.deleted;
  const forgotten = {
    partition: partition.number,
    record: key.toString('latin1'),
    context: isDeletion ? whole : record.context,
    cut: isDeletion ? cutOf(record) : emptyClock,
    whole,
  };
  const listener = listeners.get(partition.table);
  if (typeof listener === 'function') listener(forgotten);
  else if (listener === undefined) listeners.set(partition.table, [forgotten]);
  else listener.push(forgotten);
}

const forget = Reflect.get(Partition.prototype, 'forget') as (this: Partition, entry: number, record: VersionedRecord) => void;
Partition.prototype.forget = function (entry, record) {
  note(this, entry, record);
  forget.call(this, entry, record);
};
const forgetTombstone = Reflect.get(Partition.prototype, 'forgetTombstone') as (this: Partition, entry: number) => void;
Partition.prototype.forgetTombstone = function (entry) {
  note(this, entry, this.table.recordOf(entry) ?? emptyRecord);
  forgetTombstone.call(this, entry);
};

export interface ForgettingWatchOptions {
  readonly homesOf: (partition: number) => readonly string[];
  /** All that the node ever claimed to have seen of the partition. */
  readonly everSeen: (node: string, partition: number) => VectorClock;
  /** A node forgot what it must not. */
  readonly failed: (fault: string) => void;
}

export class ForgettingWatch {
  readonly #byRecord = new Map<string, VectorClock>();
  /** By collection. */
  readonly #cuts = new Map<string, VectorClock>();

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

  /** What some node has forgotten of the record: whoever had seen that need not show it. */
  of(partition: number, record: string): VectorClock {
    const forgotten = this.#byRecord.get(`${partition} ${record}`) ?? emptyClock;
    return maxClock(forgotten, this.#cuts.get(collectionOf(record)) ?? emptyClock);
  }

  #note({ partition, record, context, cut }: Forgotten): void {
    const name = `${partition} ${record}`;
    this.#byRecord.set(name, maxClock(this.#byRecord.get(name) ?? emptyClock, context));
    if (cut.size > 0) this.#cuts.set(collectionOf(record), maxClock(this.#cuts.get(collectionOf(record)) ?? emptyClock, cut));
  }

  #judge(name: string, { partition, record, whole }: Forgotten): void {
    const { homesOf, everSeen, failed } = this.options;
    for (const home of homesOf(partition)) {
      const seen = everSeen(home, partition);
      if (!coversClock(seen, whole))
        failed(
          `${name} forgets ${JSON.stringify([...whole])} of ${JSON.stringify(record)}, and ${home} has only seen ${JSON.stringify([...seen])} of partition ${partition}`,
        );
    }
  }
}

/** Names a record's collection among all of the cluster. */
function collectionOf(record: string): string {
  const { key, type } = decodeRecordKey(Buffer.from(record, 'latin1'));
  return `${type} ${key.toString('latin1')}`;
}
