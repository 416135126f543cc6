/** What a command's batch will write, one place for each record. The places are used again by the next command. */
import { recordPart, recordType } from '../protocol/record-key.js';
import type { VersionedRecord } from '../protocol/record.js';
import { noEntry } from './key-table.js';

const noBytes: Buffer = Buffer.alloc(0);
/** Up to this many are looked through one by one. */
const searchedMax = 16;
/** Places that are kept for the next command. */
const placesKept = 64;

/** What the batch will write of one record. */
export class Staged {
  /** In the key table. */
  entry = noEntry;
  /** Borrowed until the command has run. */
  key = noBytes;
  slot = 0;
  /** Of the record's key. */
  type: number = recordType.string;
  part: number = recordPart.value;
  /** Borrowed until the command has run. */
  element = noBytes;
  /** Undefined: one plain version with nothing else seen, of `bytes` and `expiresAtMs`, or, where it `deletes`, one such deletion. */
  record: VersionedRecord | undefined = undefined;
  /** Borrowed until the command has run. */
  bytes = noBytes;
  expiresAtMs = 0;
  deletes = false;
  /** What the deletion says of its term; 0 = nothing. */
  deletionTerm = 0;

  setPlain(bytes: Buffer, expiresAtMs: number): void {
    this.record = undefined;
    this.deletes = false;
    this.bytes = bytes;
    this.expiresAtMs = expiresAtMs;
  }

  setTombstone(term: number): void {
    this.record = undefined;
    this.deletes = true;
    this.deletionTerm = term;
    this.bytes = noBytes;
    this.expiresAtMs = 0;
  }

  setRecord(record: VersionedRecord): void {
    this.record = record;
    this.deletes = false;
  }
}

export class StagedWrites {
  /** How many of `places` the batch will carry. */
  count = 0;
  /** In the order of writing. */
  readonly places: Staged[] = [];
  /** Once there are many. */
  private byEntry: Map<number, Staged> | undefined;

  of(entry: number): Staged | undefined {
    if (this.count === 0 || entry === noEntry) return undefined;
    if (this.byEntry !== undefined) return this.byEntry.get(entry);
    for (let i = 0; i < this.count; i++) if (this.places[i]?.entry === entry) return this.places[i];
    return undefined;
  }

  /** A place for an entry that has none. `key` is borrowed until the command has run. */
  add(entry: number, key: Buffer, slot: number): Staged {
    const staged = (this.places[this.count++] ??= new Staged());
    staged.entry = entry;
    staged.key = key;
    staged.slot = slot;
    if (this.byEntry !== undefined) this.byEntry.set(entry, staged);
    else if (this.count > searchedMax) this.byEntry = new Map(this.places.slice(0, this.count).map((each) => [each.entry, each]));
    return staged;
  }

  clear(): void {
    this.byEntry = undefined;
    for (let i = 0; i < this.count; i++) {
      const staged = this.places[i] as Staged;
      staged.key = staged.bytes = staged.element = noBytes;
      staged.record = undefined;
      staged.deletes = false;
      staged.type = recordType.string;
      staged.part = recordPart.value;
    }
    this.count = 0;
    if (this.places.length > placesKept) this.places.length = placesKept;
  }
}
