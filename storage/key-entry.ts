/**
 * One key in memory: its record, and what commands see of it. The record is the truth; `bytes`, `expiresAtMs` and `alive` are
 * derived from it whenever it changes, so that a read costs a look-up and no decoding. A record that is one version with nothing else seen is kept as that
 * version, without the objects around it.
 */
import { emptyClock, versionKind, type Version, type VersionedRecord } from '../protocol/record.js';
import type { StringObject } from './execution.js';
import { shownString } from './string-value.js';

/** A write that commands may have to wait for: settled once enough replicas hold it. */
export interface Unsettled {
  readonly settled: boolean;
}

const noBytes = Buffer.alloc(0);

/** What a key costs beside its bytes: entry, record, version, two Buffers and the map's slot, as measured on Node 20. */
const entryOverheadBytes = 420;

export class KeyEntry implements StringObject {
  // What a read touches stands first, to lie in one line of the processor's cache.
  bytes: Buffer = noBytes;
  expiresAtMs = 0;
  /** A value is there; it may have expired. */
  alive = false;
  /** The newest batch that wrote this key, while it may be unsettled. */
  unsettled: Unsettled | undefined = undefined;
  /** Used since the evictor last passed. */
  referenced = true;
  /** The record where it is one version with nothing else seen, as nearly all are: kept without the objects around it. */
  single: Version | undefined = undefined;
  /** Any other record. */
  private general: VersionedRecord | undefined = undefined;
  /** What the transaction that is running now will write. */
  staged: VersionedRecord | undefined = undefined;
  /** Number of the write-behind round that will write it to the engine; 0 = the engine has it as it is. */
  dirtyRound = 0;

  constructor(
    /** latin1 of the key's bytes: a string hashes and compares faster than a Buffer, and is lossless. */
    readonly key: string,
    readonly slot: number,
    readonly partition: number,
    /** False while `record` holds only what arrived since, to be merged with what the engine holds. */
    public complete: boolean,
  ) {}

  get record(): VersionedRecord | undefined {
    return this.single === undefined ? this.general : { context: emptyClock, versions: [this.single] };
  }

  /** `record` is owned by the entry from now on. */
  setRecord(record: VersionedRecord): void {
    const { context, versions } = record;
    const version = versions[0];
    if (version !== undefined && versions.length === 1) {
      const isSingle = context.size === 0;
      this.single = isSingle ? version : undefined;
      this.general = isSingle ? undefined : record;
      if (version.kind === versionKind.plain) {
        this.bytes = version.bytes;
        this.expiresAtMs = version.expiresAtMs;
        this.alive = true;
        return;
      }
    } else {
      this.single = undefined;
      this.general = record;
    }
    const shown = version === undefined ? undefined : shownString(record);
    this.bytes = shown?.bytes ?? noBytes;
    this.expiresAtMs = shown?.expiresAtMs ?? 0;
    this.alive = shown !== undefined;
  }

  isLiving(nowMs: number): boolean {
    return this.alive && (this.expiresAtMs === 0 || this.expiresAtMs > nowMs);
  }

  get byteSize(): number {
    return entryOverheadBytes + this.key.length + this.bytes.length;
  }
}
