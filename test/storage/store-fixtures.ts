/**
 * What the store's tests share: a store over an engine and log files that outlive it, so that it can be crashed and opened again, and
 * commands run on it as a coordinator runs them.
 */
import type { Clock } from '../../storage/clock.js';
import type { Durability } from '../../storage/commit-log.js';
import type { StorageError, Engine } from '../../storage/engine.js';
import { CommandError } from '../../storage/execution.js';
import type { LogFiles } from '../../storage/log-files.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { Store } from '../../storage/store.js';
import { Transaction } from '../../storage/transaction.js';
import { BatchEncoder } from '../../protocol/batch.js';
import type { Dot } from '../../protocol/dot.js';
import { recordPart, recordType } from '../../protocol/record-key.js';
import { emptyClock, versionKind, type VersionedRecord } from '../../protocol/record.js';
import { slotOf } from '../../protocol/slot.js';
import { HandClock, settled } from './log-fixtures.js';

/** Of the node whose store it is: member 1, life 1. */
export const self = 0x1_0001;

export interface OpenOptions {
  readonly clock?: Clock;
  readonly durability?: Durability;
  readonly cacheBytesMax?: number;
  readonly roundPartBytes?: number;
}

export interface OpenedStore {
  readonly store: Store;
  readonly transaction: Transaction;
  readonly failures: StorageError[];
  /** Closes the store, and lets the clock's turns go on meanwhile. */
  close(): Promise<void>;
}

export async function openStore(engine: Engine, logFiles: LogFiles, options: OpenOptions = {}): Promise<OpenedStore> {
  const failures: StorageError[] = [];
  const { clock = new HandClock(), durability = 'os', cacheBytesMax = 1 << 30, roundPartBytes } = options;
  const onFailure = (error: StorageError): void => void failures.push(error);
  const store = await Store.open({ engine, logFiles, clock, durability, cacheBytesMax, hashSeed: 1, roundPartBytes, onFailure });
  store.trouble.onChange((reason) => {
    if (reason !== undefined) failures.push(reason);
  });
  const transaction = new Transaction(() => ({ actor: self, counter: store.hybridClock.next() }));
  const close = async (): Promise<void> => {
    let closed = false;
    const closing = store.close().finally(() => (closed = true));
    while (!closed) {
      if (clock instanceof HandClock) await clock.advance(0);
      else await settled();
    }
    await closing;
  };
  return { store, transaction, failures, close };
}

export function openInMemory(options?: OpenOptions): Promise<OpenedStore> {
  return openStore(new MemoryEngine(), new MemoryLogFiles(), options);
}

/** Runs `body` as one command on the partition and writes its batch, as the coordinator does. Returns the batch's dot, if it wrote. */
export function command(
  { store, transaction }: OpenedStore,
  partition: number,
  nowMs: number,
  body: (transaction: Transaction) => void,
): Dot | undefined {
  const here = store.partition(partition);
  transaction.begin(here, 1, nowMs, 2);
  try {
    body(transaction);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    transaction.discard();
    return undefined;
  }
  const dot = transaction.batchDot;
  if (dot === undefined) return undefined;
  if (store.isLarge(transaction)) store.logLarge(here, store.writeLargeBatch(here, dot, 1, 1, transaction), () => undefined);
  else store.writeBatch(here, dot, 1, 1, transaction);
  return dot;
}

export interface PeerBatch {
  readonly partition: number;
  readonly dot: Dot;
  readonly prev: number;
  readonly term?: number;
  readonly records: readonly (readonly [key: string, record: VersionedRecord])[];
}

/** Batches as a peer sends them, back to back. */
export function encodeBatches(batches: readonly PeerBatch[]): Buffer {
  const encoder = new BatchEncoder();
  for (const { partition, dot, prev, term = 1, records } of batches) {
    encoder.begin(dot.actor, dot.counter);
    encoder.part(partition, 1, term, prev);
    for (const [key, record] of records) {
      encoder.record(slotOf(Buffer.from(key)), Buffer.from(key), recordType.string, recordPart.value, Buffer.alloc(0), record);
    }
    encoder.end();
  }
  return encoder.writer.take();
}

/** A value as one write leaves it where nothing was before. */
export function plainRecord({ actor, counter }: Dot, text: string, term = 1, expiresAtMs = 0): VersionedRecord {
  return { context: emptyClock, versions: [{ kind: versionKind.plain, actor, counter, term, expiresAtMs, bytes: Buffer.from(text) }] };
}
