/**
 * Log entries too large for one turn of the event loop. Their bytes go to the log in slices, one a turn, with whatever else is written in between; a last entry
 * says that they are whole, and only then do they stand in the log: a crash before it leaves slices that mean nothing.
 *
 *   slice    number u32 | offset u32 | bytes        all slices of an entry bear its number; one with offset 0 begins it anew
 *   end      number u32 | length u32 | kind u8 | flags u8      of the entry that its slices make
 *
 * Invariant: no round of writing behind begins between an entry's first slice and its end (`isWithin`): the log is never replayed from within one.
 */
import { FormatError } from '../protocol/format-error.js';
import type { Bytes } from '../protocol/gathered-bytes.js';
import type { Clock } from './clock.js';

const sliceHeaderBytes = 8;
const endBytes = 10;

/** Appends the end of an entry, whose slices are all in the log; `flags` are the caller's. */
export type AppendEnd = (kind: number, flags: number) => void;

interface Writing {
  readonly number: number;
  readonly bytes: Bytes;
  at: number;
  readonly whole: (end: AppendEnd) => void;
  readonly flushed: () => void;
}

export interface SliceLog {
  /** `bytes` follow `header`. */
  appendSlice(header: Buffer, bytes: Buffer): void;
  appendEnd(payload: Buffer): void;
  /** Hands what was appended to the file. */
  flush(): void;
  /** The file takes nothing: what was appended waits in memory. */
  isHeld(): boolean;
  /** The log does not end within an entry, for now. */
  between(): void;
}

export class SlicedEntries {
  private readonly queue: Writing[] = [];
  private nextNumber = 0;
  private waiting: (() => void)[] = [];
  private closed = false;
  /** Its end waits in memory for the file to take it. */
  private held: Writing | undefined;
  /** The clock will call `step`: one slice a turn, however many write. */
  private stepping = false;
  /** What was read of entries that are not whole yet, by number. */
  private readonly read = new Map<number, Buffer[]>();

  constructor(
    private readonly clock: Clock,
    private readonly log: SliceLog,
    private readonly failed: (error: unknown) => void,
    /** Of a slice. Copying, checksum and write of a mebibyte take up to ten milliseconds. */
    private readonly sliceBytes: number,
  ) {}

  /** The log ends within an entry. */
  get isWithin(): boolean {
    return (this.queue[0]?.at ?? 0) > 0;
  }

  /**
   * Appends the slices of entries, one entry after the other; `whole` is called in the turn that appends the last of one, and appends its end within that call,
   * or never; `flushed` right after that, when the file has taken all of it. `bytes` are borrowed until then.
   */
  write(bytes: Bytes, whole: (end: AppendEnd) => void, flushed: () => void = () => undefined): void {
    this.queue.push({ number: this.nextNumber++, bytes, at: 0, whole, flushed });
    this.stepSoon();
  }

  /** Calls back when the log does not end within an entry, or its file takes nothing, now or later. */
  whenBetween(callback: () => void): void {
    if (!this.isWithin || this.log.isHeld()) callback();
    else this.waiting.push(callback);
  }

  /** Nothing more is appended. */
  close(): void {
    this.closed = true;
    this.queue.length = 0;
    this.release();
  }

  /** A slice from the log, borrowed. Throws FormatError. */
  replaySlice(payload: Buffer): void {
    if (payload.length < sliceHeaderBytes) throw new FormatError('TRUNCATED', 'a slice of a log entry is cut off');
    const number = payload.readUInt32BE(0);
    const bytes = Buffer.from(payload.subarray(sliceHeaderBytes));
    if (payload.readUInt32BE(4) === 0) this.read.set(number, [bytes]);
    else this.read.get(number)?.push(bytes);
  }

  /** The end of an entry from the log: the entry, owned by the caller. Throws FormatError. */
  replayEnd(payload: Buffer): { readonly kind: number; readonly flags: number; readonly bytes: Buffer } {
    if (payload.length !== endBytes) throw new FormatError('INVALID', 'the end of a sliced log entry is cut off');
    const number = payload.readUInt32BE(0);
    const bytes = Buffer.concat(this.read.get(number) ?? []);
    this.read.delete(number);
    if (bytes.length !== payload.readUInt32BE(4))
      throw new FormatError('TRUNCATED', `${bytes.length} bytes of slices of ${payload.readUInt32BE(4)}`);
    return { kind: payload.readUInt8(8), flags: payload.readUInt8(9), bytes };
  }

  /** The log was read to its end: what is not whole never will be. */
  replayed(): void {
    this.read.clear();
  }

  private stepSoon(): void {
    if (this.stepping || this.queue.length === 0) return;
    this.stepping = true;
    this.clock.nextTurn(this.step);
  }

  private readonly step = (): void => {
    this.stepping = false;
    const [writing] = this.queue;
    if (writing === undefined || this.closed) return;
    if (this.log.isHeld()) return this.release(); // resume() goes on
    try {
      this.appendNext(writing);
      this.log.flush();
      if (writing.at === writing.bytes.length) this.ended(writing);
    } catch (error) {
      this.close();
      this.failed(error);
      return;
    }
    if (!this.isWithin || this.log.isHeld()) this.release();
    this.stepSoon();
  };

  private ended(writing: Writing): void {
    if (this.log.isHeld()) this.held = writing;
    else writing.flushed();
  }

  /** The file takes what is appended again, and has what waited. */
  resume(): void {
    const { held } = this;
    this.held = undefined;
    if (this.closed) return;
    held?.flushed();
    this.stepSoon();
  }

  private appendNext(writing: Writing): void {
    const { number, bytes, at } = writing;
    const slice = bytes.subarray(at, Math.min(at + this.sliceBytes, bytes.length));
    const header = Buffer.allocUnsafe(sliceHeaderBytes);
    header.writeUInt32BE(number, 0);
    header.writeUInt32BE(at, 4);
    this.log.appendSlice(header, slice);
    writing.at += slice.length;
    if (writing.at < bytes.length) return;
    writing.whole((kind, flags) => {
      const end = Buffer.allocUnsafe(endBytes);
      end.writeUInt32BE(number, 0);
      end.writeUInt32BE(bytes.length, 4);
      end.writeUInt8(kind, 8);
      end.writeUInt8(flags, 9);
      this.log.appendEnd(end);
    });
    this.queue.shift();
  }

  private release(): void {
    if (!this.closed) this.log.between();
    const { waiting } = this;
    this.waiting = [];
    for (const callback of waiting) callback();
  }
}
