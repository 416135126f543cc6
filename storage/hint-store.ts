/**
 * Hints: batches kept for members that cannot be reached, until they are handed over (hinted handoff: Dynamo, section 4.6). A lane is what is kept
 * for one target of one partition, in the order in which it came.
 *
 *   log      an entry when a hint is kept, and one when hints are let go
 *   memory   totals of each lane, and the hints that the engine does not have yet
 *   engine   a row for each hint, so one range for each target; and the totals as of the log position that the engine has
 *
 * Invariant: a hint is in memory or in the engine until it is let go, and what was let go is read no more, though its row may stand until the next round
 * of writing behind. Rows may be written and deleted at any time: replaying the log gives the same ones the same keys.
 */
import { torc } from '../protocol/generated/messages.js';
import { StorageError, type Engine } from './engine.js';
import { hintRow, hintTotalsRow } from './rows.js';

export interface KeptHint {
  /** Ascends within a lane. */
  readonly number: number;
  /** Hybrid clock, ms. */
  readonly keptMs: number;
  /** Encoded batches back to back; owned. */
  readonly batches: Buffer;
}

/** What is kept for one target of one partition. */
export interface HintLane {
  readonly target: number;
  readonly partition: number;
  readonly hints: number;
  /** As bounds count them. */
  readonly bytes: number;
  /** When the first of them was kept, or earlier. */
  readonly oldestMs: number;
}

interface Lane extends HintLane {
  hints: number;
  bytes: number;
  oldestMs: number;
  /** Up to this number they are gone. */
  letGo: number;
  /** Not in the engine yet. */
  tail: KeptHint[];
}

/** What the log is to remember. */
export type AppendHintEntry = (kind: 'kept' | 'let go', payload: Buffer) => void;

/** Of a row beside its batches, about. */
const rowBytes = 32;
/** More than this in memory is written to the engine without waiting for a round. */
const tailBytesMax = 8 * 1024 * 1024;
const chunkRows = 500;
const chunkBytes = 1024 * 1024;
/** Hints read from the engine at a time. */
const readRows = 32;

export class HintStore {
  private readonly byTarget = new Map<number, Map<number, Lane>>();
  private readonly targetBytes = new Map<number, number>();
  private lastNumber = 0;
  private tailBytes = 0;
  /** Rows that may go: by lane, the number up to which. */
  private readonly clear = new Map<string, { readonly target: number; readonly partition: number; readonly number: number }>();
  private totalsChanged = false;
  private writing: Promise<void> = Promise.resolve();
  private writeRequested = false;

  constructor(
    private readonly engine: Engine,
    private readonly append: AppendHintEntry,
    /** The engine did not take hints: they are in memory and in the log. */
    private readonly onRefusal: (error: StorageError) => void,
  ) {}

  /** Bytes kept for the target. */
  bytesOf(target: number): number {
    return this.targetBytes.get(target) ?? 0;
  }

  /** Whether so many bytes of batches more would leave the target's hints within `bytesMax`. */
  hasRoom(target: number, batchBytes: number, bytesMax: number): boolean {
    return this.bytesOf(target) + batchBytes + rowBytes <= bytesMax;
  }

  /** Members for which something is kept. */
  targets(): number[] {
    return [...this.byTarget.keys()];
  }

  lanesOf(target: number): HintLane[] {
    return [...(this.byTarget.get(target)?.values() ?? [])];
  }

  lane(target: number, partition: number): HintLane | undefined {
    return this.byTarget.get(target)?.get(partition);
  }

  /** Keeps batches of `partition` for `target`, as durable as the log's mode says once that calls back. They are copied. */
  keep(target: number, partition: number, keptMs: number, batches: Buffer): void {
    const entry = torc.KeptHint.encode({ target, partition, number: this.lastNumber + 1, keptMs, batches }).finish() as Buffer;
    this.append('kept', entry);
    this.add(target, partition, { number: this.lastNumber + 1, keptMs, batches: Buffer.from(batches) });
  }

  /** The first hints of a lane, as many as have `bytesMax` together, at least one if there is one. Rejects with StorageError. */
  async read(target: number, partition: number, bytesMax: number): Promise<KeptHint[]> {
    const lane = this.byTarget.get(target)?.get(partition);
    if (lane === undefined) return [];
    const tail = [...lane.tail];
    const found: KeptHint[] = [];
    let bytes = 0;
    if (lane.hints > tail.length) {
      const range = { from: hintRow(target, partition, lane.letGo + 1), to: hintRow(target, partition + 1, 0) };
      for await (const chunk of this.engine.iterate(range, readRows)) {
        for (const [row, value] of chunk) {
          if (bytes >= bytesMax) break;
          found.push({ number: row.readDoubleBE(5), keptMs: value.readDoubleBE(0), batches: value.subarray(8) });
          bytes += value.length;
        }
        if (bytes >= bytesMax) break;
      }
    }
    const last = found.at(-1)?.number ?? 0;
    for (const hint of tail) {
      if (bytes >= bytesMax) break;
      if (hint.number <= last) continue;
      found.push(hint);
      bytes += hint.batches.length;
    }
    return found.filter(({ number }) => number > lane.letGo);
  }

  /** The batches of a lane as of now, in pieces of about `bytesMax`; they stay kept. Rejects with StorageError. */
  async *copies(target: number, partition: number, bytesMax: number): AsyncGenerator<Buffer> {
    const lane = this.byTarget.get(target)?.get(partition);
    if (lane === undefined) return;
    const tail = [...lane.tail];
    const range = { from: hintRow(target, partition, lane.letGo + 1), to: hintRow(target, partition + 1, 0) };
    let piece: Buffer[] = [];
    let bytes = 0;
    let last = 0;
    const add = (number: number, batches: Buffer): boolean => {
      last = number;
      bytes += batches.length;
      return piece.push(batches) > 0 && bytes >= bytesMax;
    };
    const take = (): Buffer => {
      const taken = Buffer.concat(piece);
      [piece, bytes] = [[], 0];
      return taken;
    };
    if (lane.hints > tail.length) {
      for await (const chunk of this.engine.iterate(range, readRows)) {
        for (const [row, value] of chunk) if (add(row.readDoubleBE(5), value.subarray(8))) yield take();
      }
    }
    for (const { number, batches } of tail) if (number > last && add(number, batches)) yield take();
    if (piece.length > 0) yield take();
  }

  /** The first hints of a lane, as `read` gave them, are not needed any more: handed over, or dropped. */
  letGo(target: number, partition: number, hints: readonly KeptHint[]): void {
    const lane = this.byTarget.get(target)?.get(partition);
    if (lane === undefined) return;
    const gone = hints.filter(({ number }) => number > lane.letGo);
    const bytes = gone.reduce((sum, { batches }) => sum + batches.length + rowBytes, 0);
    const last = gone.at(-1);
    if (last !== undefined) this.letGoUpTo(target, partition, last.number, gone.length, bytes);
  }

  /** Lets go of a whole lane, whatever is in it. */
  letGoLane(target: number, partition: number): void {
    const lane = this.byTarget.get(target)?.get(partition);
    if (lane !== undefined) this.letGoUpTo(target, partition, this.lastNumber, lane.hints, lane.bytes);
  }

  /** The first of a lane was kept then. */
  noteOldest(target: number, partition: number, keptMs: number): void {
    const lane = this.byTarget.get(target)?.get(partition);
    if (lane !== undefined) lane.oldestMs = keptMs;
  }

  replayKept(payload: Buffer): void {
    const { target, partition, number, keptMs, batches } = torc.KeptHint.decode(payload);
    this.add(target, partition, { number, keptMs, batches: Buffer.from(batches) });
  }

  replayLetGo(payload: Buffer): void {
    const { target, partition, number, hints, bytes } = torc.LetGoHints.decode(payload);
    this.remove(target, partition, number, hints, bytes);
  }

  /** Takes the totals back from the engine's row of them, if it has one, before the log is replayed. */
  restore(row: Buffer | undefined): void {
    if (row === undefined) return;
    const totals = torc.HintTotals.decode(row);
    this.lastNumber = totals.lastNumber;
    for (const { target, partition, hints, bytes, oldestMs, letGo } of totals.lanes as torc.HintLane[]) {
      this.lanesOfTarget(target).set(partition, { target, partition, hints, bytes, oldestMs, letGo, tail: [] });
      this.targetBytes.set(target, this.bytesOf(target) + bytes);
    }
  }

  /** The totals of now for a round of writing behind; undefined when they are those of the last one. */
  totalsRow(): readonly [key: Buffer, value: Buffer] | undefined {
    if (!this.totalsChanged) return undefined;
    this.totalsChanged = false;
    const lanes = [...this.byTarget.values()].flatMap((byPartition) => [...byPartition.values()]);
    const value = torc.HintTotals.encode({ lastNumber: this.lastNumber, lanes }).finish() as Buffer;
    return [hintTotalsRow, value];
  }

  /** The totals that were taken last may not have reached the engine. */
  totalsLost(): void {
    this.totalsChanged = true;
  }

  /** Brings the engine's rows up to date: resolves when all that was kept before the call is there. Rejects with StorageError. */
  writeOut(): Promise<void> {
    const pass = this.writing.then(() => this.writePass());
    this.writing = pass.catch(() => undefined);
    return pass;
  }

  /** Runs `work` while nothing of this is on its way to the engine. */
  between(work: () => Promise<void>): Promise<void> {
    const done = this.writing.then(work);
    this.writing = done.catch(() => undefined);
    return done;
  }

  private letGoUpTo(target: number, partition: number, number: number, hints: number, bytes: number): void {
    this.append('let go', torc.LetGoHints.encode({ target, partition, number, hints, bytes }).finish() as Buffer);
    this.remove(target, partition, number, hints, bytes);
  }

  private lanesOfTarget(target: number): Map<number, Lane> {
    let lanes = this.byTarget.get(target);
    if (lanes === undefined) this.byTarget.set(target, (lanes = new Map<number, Lane>()));
    return lanes;
  }

  private add(target: number, partition: number, hint: KeptHint): void {
    const lanes = this.lanesOfTarget(target);
    let lane = lanes.get(partition);
    if (lane === undefined) {
      lane = { target, partition, hints: 0, bytes: 0, oldestMs: hint.keptMs, letGo: this.lastNumber, tail: [] };
      lanes.set(partition, lane);
    }
    const bytes = hint.batches.length + rowBytes;
    this.lastNumber = hint.number;
    lane.hints++;
    lane.bytes += bytes;
    lane.tail.push(hint);
    this.targetBytes.set(target, this.bytesOf(target) + bytes);
    this.totalsChanged = true;
    this.tailBytes += bytes;
    if (this.tailBytes < tailBytesMax || this.writeRequested) return;
    this.writeRequested = true;
    this.writeOut()
      .catch((error: unknown) =>
        this.onRefusal(error instanceof StorageError ? error : new StorageError('IO', 'hints could not be written', { cause: error })),
      )
      .finally(() => (this.writeRequested = false));
  }

  private remove(target: number, partition: number, number: number, hints: number, bytes: number): void {
    const lanes = this.byTarget.get(target);
    const lane = lanes?.get(partition);
    this.clear.set(`${target} ${partition}`, { target, partition, number });
    this.totalsChanged = true;
    if (lanes === undefined || lane === undefined) return;
    lane.letGo = number;
    lane.hints -= hints;
    lane.bytes -= bytes;
    this.targetBytes.set(target, this.bytesOf(target) - bytes);
    this.dropFromTail(lane, number);
    if (lane.hints > 0) return;
    lanes.delete(partition);
    if (lanes.size > 0) return;
    this.byTarget.delete(target);
    this.targetBytes.delete(target);
  }

  private dropFromTail(lane: Lane, number: number): void {
    const left = lane.tail.findIndex((hint) => hint.number > number);
    const gone = left < 0 ? lane.tail : lane.tail.slice(0, left);
    lane.tail = left < 0 ? [] : lane.tail.slice(left);
    for (const { batches } of gone) this.tailBytes -= batches.length + rowBytes;
  }

  private async writePass(): Promise<void> {
    let puts: [Buffer, Buffer][] = [];
    const written = new Map<Lane, number>();
    let bytes = 0;
    const flush = async (): Promise<void> => {
      if (puts.length === 0) return;
      await this.engine.write({ puts, deletes: [] }, { sync: false });
      [puts, bytes] = [[], 0];
    };
    for (const lanes of this.byTarget.values()) {
      for (const lane of lanes.values()) {
        for (const { number, keptMs, batches } of lane.tail) {
          const value = Buffer.allocUnsafe(8 + batches.length);
          value.writeDoubleBE(keptMs);
          batches.copy(value, 8);
          puts.push([hintRow(lane.target, lane.partition, number), value]);
          written.set(lane, number);
          bytes += value.length;
          if (puts.length >= chunkRows || bytes >= chunkBytes) await flush();
        }
      }
    }
    await flush();
    if (written.size > 0) await this.engine.write({ puts: [], deletes: [] }, { sync: true }); // an engine that is opened anew may lack what is not synced
    for (const [lane, number] of written) this.dropFromTail(lane, number);
    for (const [name, gone] of this.clear) {
      const range = { from: hintRow(gone.target, gone.partition, 0), to: hintRow(gone.target, gone.partition, gone.number + 1) };
      for await (const chunk of this.engine.iterate(range, chunkRows)) {
        await this.engine.write({ puts: [], deletes: chunk.map(([row]) => row) }, { sync: false });
      }
      if (this.clear.get(name) === gone) this.clear.delete(name);
    }
  }
}
