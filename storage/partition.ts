/**
 * One partition on this replica: its clocks (`seen`, `ahead`, `purged`, the promised term) and its keys in memory.
 *
 * Invariant: `seen` covers a batch only when that batch and all its actor wrote before it in this partition are applied here
 * (ARCHITECTURE.md, "Gapless seen").
 */
import type { Dot, Term } from '../protocol/dot.js';
import { compareTerms, noTerm } from '../protocol/dot.js';
import { emptyClock, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { KeyEntry } from './key-entry.js';
import type { KeyOrder } from './key-order.js';
import { mergeFromPeer, mergeRecords } from './merge.js';
import { maxClock } from './vector-clock.js';

/** A batch applied beyond a gap. */
export interface Ahead extends Dot {
  readonly prev: number;
}

export class Partition {
  /** Gapless: actor -> counter. */
  readonly seen = new Map<number, number>();
  ahead: Ahead[] = [];
  purged: VectorClock = emptyClock;
  promised: Term = noTerm;
  /** By latin1 of the key. */
  readonly entries = new Map<string, KeyEntry>();
  /** Every record of the partition is in `entries`: a key that is not there does not exist. */
  resident = false;
  /** Entries with `alive`. Counts all keys only while resident. */
  aliveEntries = 0;
  /** latin1 keys whose value carries an expiry. */
  readonly expiring = new Set<string>();
  /** The order of SCAN; undefined while the partition is small, or nobody has asked. */
  order: KeyOrder | undefined = undefined;
  /** Something reads the whole of it: nothing may be evicted meanwhile. */
  pins = 0;
  /** Clocks changed since they were last written to the engine. */
  clocksDirty = false;
  /** Raised with every change of the clocks. */
  changes = 0;

  constructor(
    readonly number: number,
    private readonly account: (bytes: number) => void,
  ) {}

  /** The entry of `key`, or undefined when memory has none (then it does not exist if `resident`). */
  get(key: string): KeyEntry | undefined {
    const entry = this.entries.get(key);
    if (entry?.referenced === false) entry.referenced = true;
    return entry;
  }

  /** True when a command may run on `key` without asking the engine. */
  isLoaded(key: string): boolean {
    const entry = this.entries.get(key);
    return entry === undefined ? this.resident : entry.complete;
  }

  /** The entry of `key`, made when missing; what arrives before the engine's record was read leaves it incomplete. */
  getOrCreate(key: string, slot: number): KeyEntry {
    let entry = this.entries.get(key);
    if (entry === undefined) {
      entry = new KeyEntry(key, slot, this.number, this.resident);
      this.entries.set(key, entry);
      this.order?.add(entry);
      this.account(entry.byteSize);
    }
    return entry;
  }

  /** Replaces an entry's record, keeping counts, the expiry index and the memory account true. `record` is owned from now on. */
  put(entry: KeyEntry, record: VersionedRecord): void {
    const { alive, bytes, expiresAtMs } = entry;
    entry.setRecord(record);
    if (entry.alive !== alive) this.aliveEntries += entry.alive ? 1 : -1;
    if (entry.bytes.length !== bytes.length) this.account(entry.bytes.length - bytes.length);
    if (entry.expiresAtMs !== expiresAtMs) {
      if (entry.expiresAtMs === 0) this.expiring.delete(entry.key);
      else if (expiresAtMs === 0) this.expiring.add(entry.key);
    }
  }

  /** Merges a batch's record; `record` is owned. */
  merge(entry: KeyEntry, record: VersionedRecord): void {
    const mine = entry.single;
    const [theirs] = record.versions;
    const isNext = mine !== undefined && theirs !== undefined && mine.actor === theirs.actor && mine.counter < theirs.counter;
    if (isNext && record.versions.length === 1 && record.context.size === 0) return this.put(entry, record); // one writer's next version covers its last
    const old = entry.record;
    this.put(entry, old === undefined ? record : mergeRecords(old, record));
  }

  /**
   * Merges a record that a peer sent with its `seen`. False = it may speak of what was removed and forgotten here: it was discarded and
   * has to be fetched anew. `record` is owned.
   */
  mergeFromPeer(entry: KeyEntry, record: VersionedRecord, peerSeen: VectorClock): boolean {
    const merged = mergeFromPeer(entry.record, record, { seen: this.seen, peerSeen, purged: this.purged, cut: emptyClock });
    if (merged === 'discard') return false;
    this.put(entry, merged.record);
    return true;
  }

  /** Forgets an entry that is complete and clean; the partition is no longer resident. */
  evict(entry: KeyEntry): void {
    this.entries.delete(entry.key);
    this.order?.remove(entry);
    if (entry.alive) this.aliveEntries--;
    if (entry.expiresAtMs !== 0) this.expiring.delete(entry.key);
    this.account(-entry.byteSize);
    this.resident = false;
  }

  hasSeen(dot: Dot): boolean {
    return (this.seen.get(dot.actor) ?? 0) >= dot.counter || this.ahead.some((a) => a.actor === dot.actor && a.counter === dot.counter);
  }

  /** Notes an applied batch. Returns false when it lies beyond a gap, which then has to be asked for. */
  note(actor: number, counter: number, prev: number): boolean {
    this.clocksDirty = true;
    this.changes++;
    if ((this.seen.get(actor) ?? 0) < prev) {
      this.ahead.push({ actor, counter, prev });
      return false;
    }
    if ((this.seen.get(actor) ?? 0) < counter) this.seen.set(actor, counter);
    if (this.ahead.length > 0) this.closeGaps();
    return this.ahead.length === 0;
  }

  /** A finished comparison: everything the peer had seen when it began is here now. */
  raiseSeen(peerSeen: VectorClock, peerAhead: readonly Ahead[], peerPurged: VectorClock): void {
    this.clocksDirty = true;
    this.changes++;
    for (const [actor, counter] of peerSeen) if ((this.seen.get(actor) ?? 0) < counter) this.seen.set(actor, counter);
    for (const a of peerAhead) if (!this.hasSeen(a)) this.ahead.push(a);
    this.purged = maxClock(this.purged, peerPurged);
    this.closeGaps();
  }

  private closeGaps(): void {
    let moved = this.ahead.length > 0;
    while (moved) {
      moved = false;
      for (const a of this.ahead) {
        const seen = this.seen.get(a.actor) ?? 0;
        if (seen < a.counter && seen >= a.prev) {
          this.seen.set(a.actor, a.counter);
          moved = true;
        }
      }
    }
    this.ahead = this.ahead.filter((a) => (this.seen.get(a.actor) ?? 0) < a.counter);
  }

  /** Promises `term` unless a newer one was promised. The caller makes it durable. */
  promise(term: Term): boolean {
    const order = compareTerms(this.promised, term);
    if (order > 0) return false;
    if (order < 0) {
      this.promised = term;
      this.clocksDirty = true;
    }
    return true;
  }
}
