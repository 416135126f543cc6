/**
 * Walks through encoded batches (batch.ts has the layout) and decodes nothing that is not asked for: a replica applies a record of the common
 * kind straight from the frame it came in. One cursor is used again and again.
 *
 *   while (cursor.nextBatch()) while (cursor.nextPart()) while (cursor.nextRecord()) ...
 *
 * Each step throws FormatError when the bytes end early or are not what a writer writes; a walk to the end has checked all but the values.
 */
import { ByteReader } from './byte-reader.js';
import { FormatError } from './format-error.js';
import { checkKeyParts, slotMax } from './record-key.js';
import {
  deletionTerm,
  dotBytes,
  expiryFlag,
  readRecord,
  recordShape,
  tombstoneBytes,
  versionKind,
  type VersionedRecord,
} from './record.js';

export const batchFormatVersion = 1;
const twoTo32 = 0x1_0000_0000;
/** The high half of 2^53 - 1. */
const counterHighMax = 0x1f_ffff;
const noBytes: Buffer = Buffer.alloc(0);

export class BatchCursor {
  /** Of the batch. */
  actor = 0;
  counter = 0;
  /** Of the part. */
  partition = 0;
  epoch = 0;
  term = 0;
  prev = 0;
  /** Of the record: where in `bytes` its key, element and value lie. */
  slot = 0;
  keyAt = 0;
  keyLength = 0;
  type = 0;
  part = 0;
  elementAt = 0;
  elementLength = 0;
  valueAt = 0;
  valueLength = 0;
  /** Of the record's one plain version, after readPlain has returned true; of its one deletion, after readTombstone has. */
  versionActor = 0;
  versionCounter = 0;
  versionTerm = 0;
  expiresAtMs = 0;
  plainAt = 0;
  plainLength = 0;
  bytes = noBytes;
  private view: DataView = new DataView(noBytes.buffer, 0, 0);
  private at = 0;
  private batchAt = 0;
  private batchBytes = 0;
  private partsLeft = 0;
  private partAt = 0;
  private partBytes = 0;
  private recordsLeft = 0;

  /** `bytes` are borrowed until the next reset. */
  reset(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = 0;
  }

  /** Lets go of the bytes. */
  clear(): void {
    this.bytes = noBytes;
  }

  /** False at the end of the bytes. */
  nextBatch(): boolean {
    if (this.at === this.bytes.length) return false;
    this.batchAt = this.at;
    this.need(20);
    const { view, at } = this;
    const version = view.getUint8(at);
    if (version !== batchFormatVersion) throw new FormatError('UNKNOWN', `batch of format version ${version}`);
    const flags = view.getUint8(at + 1);
    if (flags !== 0) throw new FormatError('UNKNOWN', `batch with flags ${flags}`);
    this.partsLeft = view.getUint16(at + 2);
    this.batchBytes = view.getUint32(at + 4);
    this.actor = view.getUint32(at + 8);
    this.counter = this.counterAt(at + 12);
    this.at = at + 20;
    return true;
  }

  /** False at the end of the batch. */
  nextPart(): boolean {
    if (this.partsLeft === 0) {
      checkLength('a batch', this.batchBytes, this.at - this.batchAt);
      return false;
    }
    this.partsLeft--;
    this.need(30);
    const { view, at } = this;
    this.partition = view.getUint16(at);
    this.epoch = view.getUint32(at + 2);
    this.term = this.counterAt(at + 6);
    this.prev = this.counterAt(at + 14);
    this.recordsLeft = view.getUint32(at + 22);
    this.partBytes = view.getUint32(at + 26);
    this.partAt = this.at = at + 30;
    return true;
  }

  /** False at the end of the part. */
  nextRecord(): boolean {
    if (this.recordsLeft === 0) {
      checkLength('a part', this.partBytes, this.at - this.partAt);
      return false;
    }
    this.recordsLeft--;
    this.need(10);
    const { view } = this;
    const end = this.at + 4 + view.getUint32(this.at);
    this.slot = view.getUint16(this.at + 4);
    if (this.slot > slotMax) throw new FormatError('INVALID', `slot ${this.slot}`);
    this.keyLength = view.getUint32(this.at + 6);
    this.keyAt = this.at + 10;
    this.at = this.keyAt;
    this.need(this.keyLength + 2);
    this.at += this.keyLength;
    this.type = view.getUint8(this.at);
    this.part = view.getUint8(this.at + 1);
    this.elementAt = this.at + 2;
    this.elementLength = end - this.elementAt;
    checkKeyParts(this.type, this.part, this.elementLength);
    this.at = this.elementAt;
    this.need(this.elementLength + 4);
    this.valueLength = view.getUint32(end);
    this.valueAt = this.at = end + 4;
    this.need(this.valueLength);
    this.at += this.valueLength;
    return true;
  }

  /** True: the record is one plain version with nothing else seen, and its fields are set. False: read it with `record`. */
  readPlain(): boolean {
    const { view, valueAt, valueLength } = this;
    if (valueLength < 22 || view.getUint8(valueAt) !== recordShape.oneVersion) return false;
    const kind = view.getUint8(valueAt + 1);
    if ((kind & ~expiryFlag) !== versionKind.plain) return false;
    this.versionActor = view.getUint32(valueAt + 2);
    this.versionCounter = this.counterAt(valueAt + 6);
    this.versionTerm = this.counterAt(valueAt + 14);
    const hasExpiry = kind !== versionKind.plain;
    if (hasExpiry && valueLength < 30) throw new FormatError('TRUNCATED', 'a version is cut off');
    this.expiresAtMs = hasExpiry ? this.counterAt(valueAt + 22) : 0;
    if (hasExpiry && this.expiresAtMs === 0) throw new FormatError('INVALID', 'an expiry of zero');
    this.plainAt = valueAt + (hasExpiry ? 30 : 22);
    this.plainLength = valueAt + valueLength - this.plainAt;
    return true;
  }

  /** True: the record is one deletion with nothing else seen; its dot, and the term that it says, or 0, are set as a version's. */
  readTombstone(): boolean {
    const { view, valueAt, valueLength } = this;
    const saysTerm = valueLength === tombstoneBytes + dotBytes;
    if ((!saysTerm && valueLength !== tombstoneBytes) || view.getUint8(valueAt) !== recordShape.general) return false;
    if (view.getUint16(valueAt + 1) !== (saysTerm ? 2 : 1) || view.getUint16(valueAt + valueLength - 2) !== 0) return false;
    const dotAt = valueAt + (saysTerm ? 3 + dotBytes : 3);
    this.versionActor = view.getUint32(dotAt);
    this.versionCounter = this.counterAt(dotAt + 4);
    this.versionTerm = saysTerm ? this.counterAt(valueAt + 7) : 0;
    // What nobody writes is left to those who read it as any record.
    const isTerm = view.getUint32(valueAt + 3) === deletionTerm;
    return saysTerm ? isTerm && this.versionTerm > 0 && this.versionActor !== deletionTerm : !isTerm;
  }

  /** The record, decoded; unless it is `owned`, its bytes are parts of those that are being read. */
  record(owned = true): VersionedRecord {
    const reader = new ByteReader(this.bytes, this.valueAt);
    const record = readRecord(reader, this.valueLength, owned);
    checkLength('a record', this.valueLength, reader.position - this.valueAt);
    return record;
  }

  /** The key as latin1 text. */
  get name(): string {
    return this.bytes.toString('latin1', this.keyAt, this.keyAt + this.keyLength);
  }

  private need(length: number): void {
    if (length <= this.bytes.length - this.at) return;
    throw new FormatError('TRUNCATED', `${length} bytes at ${this.at}, but there are only ${this.bytes.length}`);
  }

  private counterAt(at: number): number {
    const high = this.view.getUint32(at);
    if (high > counterHighMax) throw new FormatError('INVALID', 'a counter exceeds 53 bits');
    return high * twoTo32 + this.view.getUint32(at + 4);
  }
}

function checkLength(what: string, announced: number, actual: number): void {
  if (announced !== actual) throw new FormatError('INVALID', `${what} says that it has ${announced} bytes but has ${actual}`);
}
