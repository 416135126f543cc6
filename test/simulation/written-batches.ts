/**
 * Every batch that was written in a run, from when it is in its writer's log until no node has it any more: what must be held by whoever claims to have
 * seen its dot.
 */
import { decodeBatches } from '../../protocol/batch.js';
import type { Bytes } from '../../protocol/gathered-bytes.js';
import type { Dot } from '../../protocol/dot.js';
import { encodeRecordKey } from '../../protocol/record-key.js';
import type { Partition } from '../../storage/partition.js';
import type { AppliedListener, Store } from '../../storage/store.js';
import type { Transaction } from '../../storage/transaction.js';

export interface WrittenBatch extends Dot {
  readonly partition: number;
  /** Record keys in latin1. */
  readonly records: readonly string[];
  /** Nodes that wrote, applied or kept it. */
  readonly holders: Set<string>;
}

const idOf = (partition: number, actor: number, counter: number): string => `${partition} ${actor} ${counter}`;

export class WrittenBatches {
  /** How often a node was sent a batch again, and one before another that its writer had written earlier. */
  duplicates = 0;
  gaps = 0;
  /** Batches that went in pieces. */
  large = 0;
  readonly #all = new Map<string, WrittenBatch>();
  /** Those that are neither durable as their writer's mode says, nor held by any other node. */
  readonly #fleeting = new Map<string, string>();

  all(): Iterable<WrittenBatch> {
    return this.#all.values();
  }

  /** Remembers what the store writes, once it is in the log, and what it takes from others. */
  watch(name: string, store: Store): void {
    let turn: WrittenBatch[] = [];
    const large = new Map<Bytes, WrittenBatch>();
    const logged = (batches: readonly WrittenBatch[]): void => {
      const written = batches.map((batch) => [idOf(batch.partition, batch.actor, batch.counter), batch] as const);
      for (const [id, batch] of written) {
        this.#all.set(id, batch);
        this.#fleeting.set(id, name);
      }
      store.whenDurable(() => written.forEach(([id]) => this.#fleeting.delete(id)));
    };
    const noted = (partition: Partition, dot: Dot, { writes: { places: staged, count: stagedCount } }: Transaction): WrittenBatch => {
      const records = staged
        .slice(0, stagedCount)
        .map(({ slot, key, type, part, element }) => encodeRecordKey(slot, key, type, part, element).toString('latin1'));
      return { partition: partition.number, ...dot, records, holders: new Set([name]) };
    };
    const writeBatch = store.writeBatch.bind(store);
    store.writeBatch = (partition, dot, term, epoch, transaction) => {
      turn.push(noted(partition, dot, transaction));
      return writeBatch(partition, dot, term, epoch, transaction);
    };
    const writeLargeBatch = store.writeLargeBatch.bind(store);
    store.writeLargeBatch = (partition, dot, term, epoch, transaction) => {
      const batch = noted(partition, dot, transaction);
      const bytes = writeLargeBatch(partition, dot, term, epoch, transaction);
      large.set(bytes, batch);
      return bytes;
    };
    const logLarge = store.logLarge.bind(store);
    store.logLarge = (partition, bytes, appended) =>
      logLarge(partition, bytes, () => {
        this.large++;
        logged([large.get(bytes) as WrittenBatch]);
        large.delete(bytes);
        appended();
      });
    const endTurn = store.endTurn.bind(store);
    store.endTurn = (send) => {
      endTurn(send);
      if (store.isHeld) return; // the disk refuses: if the process dies, they never were
      if (turn.length > 0) logged(turn);
      turn = [];
    };
    const applied = new Set<string>();
    const noting = (listener: AppliedListener | undefined): AppliedListener => ({
      applied: (partition, actor, counter, superseded, gap) => {
        const id = idOf(partition, actor, counter);
        this.#fleeting.delete(id);
        this.#all.get(id)?.holders.add(name);
        if (applied.has(id)) this.duplicates++;
        if (gap) this.gaps++;
        applied.add(id);
        listener?.applied(partition, actor, counter, superseded, gap);
      },
    });
    const applyBatches = store.applyBatches.bind(store);
    store.applyBatches = (bytes, listener) => applyBatches(bytes, noting(listener));
    const applyLargeBatches = store.applyLargeBatches.bind(store);
    store.applyLargeBatches = (bytes, listener, done) => applyLargeBatches(bytes, noting(listener), done);
    const keep = store.hints.keep.bind(store.hints);
    store.hints.keep = (target, partition, keptMs, batches) => {
      for (const { dot } of decodeBatches(batches)) this.#all.get(idOf(partition, dot.actor, dot.counter))?.holders.add(name);
      keep(target, partition, keptMs, batches);
    };
  }

  /** What only the node had, and not on its disk, is gone with its power: its next batches do not follow that. */
  lostPower(name: string): void {
    for (const [id, node] of this.#fleeting) {
      if (node !== name) continue;
      this.#fleeting.delete(id);
      this.#all.delete(id);
    }
  }

  /** What was on the node's disk is gone, and with it what nobody else has, nor has `seen` of by another's records. */
  lostDisk(name: string, isSeenElsewhere: (batch: WrittenBatch) => boolean): void {
    for (const [id, batch] of this.#all) {
      if (batch.holders.delete(name) && batch.holders.size === 0 && !isSeenElsewhere(batch)) this.#all.delete(id);
    }
  }
}
