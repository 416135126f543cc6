/**
 * An engine whose large values lie in it in pieces: RocksDB's binding copies what it is given and what it gives in one turn of the event loop, twice, which of
 * half a gigabyte takes more than a second. Its users see none of it: a value is written and read whole, over as many turns as it has pieces.
 *
 *   the row          0x04 | generation f64 | bytes u48 | piece bytes u32      in place of its value
 *   'w' generation f64                   -> the row's key                     from before its first piece until its last is gone
 *   'v' generation f64 | index u32       -> a piece; all of a value have one length, but the last one
 *
 * Each value written has a generation of its own, whose pieces go to the engine before the batch that names it in the row: that one makes it visible, and takes the
 * pieces of the value before it away. A crash before it leaves pieces that no row names; opening finds them by their 'w' rows and deletes them.
 *
 * Invariant: what is written together becomes visible together. Only rows of records are ever in pieces (`isSplit`): the first byte of a record is its shape, and no
 * shape is 4 (protocol/record.ts), so a program that knows nothing of pieces refuses such a row.
 */
import type { Clock } from './clock.js';
import { StorageError, type Engine, type EngineBatch, type EngineRange, type Items } from './engine.js';
import { pieceRow, pieceRows, splitRow, splitRows, table as tables } from './rows.js';
import { TurnSlice } from './turn-slice.js';

/** Copied in a millisecond or two. A quarter of a mebibyte, and what stands around values: one of a mebibyte lies in four. */
const pieceBytesUsual = (256 + 8) * 1024;
/** Pieces in one batch, which is on its way to the disk while the next is made, and in one read. */
const piecesAtOnce = 2;

const markerShape = 4;
const markerBytes = 19;

/** Where a value lies that is in pieces. */
interface Split {
  readonly generation: number;
  readonly bytes: number;
  readonly pieceBytes: number;
}

/** A row's value in two parts, the second of which follows the first; so that nobody has to join them. */
export type LongPut = readonly [key: Buffer, value: Buffer, rest?: Buffer | undefined];

/** `long`: rows of records whose values are of more than `valueBytesMost`. */
export interface LongBatch extends EngineBatch {
  readonly long?: readonly LongPut[];
}

type EngineChunk = readonly (readonly [key: Buffer, value: Buffer])[];

export class PiecedEngine implements Engine {
  /** By row, in latin1: what of it is in pieces in the engine. */
  private readonly splits = new Map<string, Split>();
  /** 0 = no value was ever in pieces. */
  private lastGeneration = 0;

  private constructor(
    private readonly engine: Engine,
    private readonly clock: Clock,
    private readonly pieceBytes: number,
  ) {}

  /** A record of more bytes lies in pieces. */
  get valueBytesMost(): number {
    return 2 * this.pieceBytes;
  }

  /** Deletes what a crash has left of values that never became visible. Rejects with StorageError. `engine` is this one's from now on. */
  static async over(engine: Engine, clock: Clock, pieceBytes = pieceBytesUsual): Promise<PiecedEngine> {
    const pieced = new PiecedEngine(engine, clock, pieceBytes);
    await pieced.restore();
    return pieced;
  }

  private async restore(): Promise<void> {
    const abandoned: number[] = [];
    for await (const chunk of this.engine.iterate(splitRows)) {
      const values = await this.engine.getMany(chunk.map(([, row]) => row));
      chunk.forEach(([splitKey, row], i) => {
        const generation = splitKey.readDoubleBE(1);
        this.lastGeneration = Math.max(this.lastGeneration, generation);
        const split = splitOf(row, values[i]);
        if (split?.generation === generation) this.splits.set(row.toString('latin1'), split);
        else abandoned.push(generation);
      });
    }
    for (const generation of abandoned) {
      for await (const chunk of this.engine.iterate(pieceRows(generation), piecesAtOnce))
        await this.engine.write({ puts: [], deletes: chunk.map(([piece]) => piece) }, { sync: false });
      await this.engine.write({ puts: [], deletes: [splitRow(generation)] }, { sync: false });
    }
  }

  /** How many values are in pieces. */
  get valuesInPieces(): number {
    return this.splits.size;
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    const values = await this.engine.getMany(keys);
    if (this.lastGeneration === 0) return values;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as Buffer;
      if (splitOf(key, values[i]) !== undefined) values[i] = await this.whole(key, values[i]);
    }
    return values;
  }

  async write(batch: LongBatch, options: { readonly sync: boolean }): Promise<void> {
    const { long = [] } = batch;
    if (long.length === 0 && this.splits.size === 0) return this.engine.write(batch, options);
    const splits = new Map<string, Split>();
    for (const put of long) {
      if (!isSplit(put[0])) throw new Error('the value of a row that is never in pieces is a long one');
      splits.set(put[0].toString('latin1'), await this.writePieces(put));
    }
    const markers: [Buffer, Buffer][] = [];
    /** Of what is replaced or deleted. */
    const pieces: Buffer[] = [];
    const gone: string[] = [];
    const replace = (row: Buffer): string => {
      const name = row.toString('latin1');
      const before = this.splits.get(name);
      if (before === undefined) return name;
      gone.push(name);
      pieces.push(splitRow(before.generation));
      for (let index = 0; index * before.pieceBytes < before.bytes; index++) pieces.push(pieceRow(before.generation, index));
      return name;
    };
    // Of twenty thousand small rows it takes some milliseconds.
    const slice = new TurnSlice(this.clock);
    for (const row of batch.deletes) {
      replace(row);
      if (slice.isOver()) await slice.laterTurn();
    }
    for (const [row] of batch.puts) {
      replace(row);
      if (slice.isOver()) await slice.laterTurn();
    }
    for (const [row] of long) markers.push([row, markerOf(splits.get(replace(row)) as Split)]);
    await this.engine.write({ puts: joined(batch.puts, markers), deletes: joined(batch.deletes, pieces) }, options);
    for (const name of gone) this.splits.delete(name);
    for (const [name, split] of splits) this.splits.set(name, split);
  }

  /** True when no row is in the range; reads no value in pieces. */
  async isEmpty(range: EngineRange): Promise<boolean> {
    for await (const chunk of this.engine.iterate(range, 1)) return chunk.length === 0;
    return true;
  }

  iterate(range: EngineRange, chunkEntries?: number, backwards?: boolean): AsyncIterable<EngineChunk> {
    return this.wholeChunks(this.engine.iterate(range, chunkEntries, backwards));
  }

  private async *wholeChunks(chunks: AsyncIterable<EngineChunk>): AsyncGenerator<EngineChunk> {
    for await (const chunk of chunks) {
      if (this.lastGeneration === 0 || !chunk.some(([key, value]) => splitOf(key, value) !== undefined)) {
        yield chunk;
        continue;
      }
      let entries: (readonly [Buffer, Buffer])[] = [];
      for (const entry of chunk) {
        const [key, value] = entry;
        if (splitOf(key, value) === undefined) entries.push(entry);
        else {
          const whole = await this.whole(key, value);
          if (whole === undefined) continue; // deleted since: whoever did that has it in memory
          entries.push([key, whole]);
          yield entries; // with one large value at most, so that the one before may go
          entries = [];
        }
      }
      if (entries.length > 0) yield entries;
    }
  }

  async reopen(): Promise<void> {
    await this.engine.reopen();
    // Of what was written and not synced any part may be gone, and a value whose batch was refused has left pieces.
    this.splits.clear();
    await this.restore();
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  /** The value of a row whose own is `marker`, or what stands there when its pieces went meanwhile. */
  private async whole(row: Buffer, marker: Buffer | undefined): Promise<Buffer | undefined> {
    for (let value = marker; ;) {
      const split = splitOf(row, value);
      if (split === undefined) return value;
      const bytes = await this.join(split);
      if (bytes !== undefined) return bytes;
      const [now] = await this.engine.getMany([row]);
      if (splitOf(row, now)?.generation === split.generation)
        throw new StorageError('DAMAGED', `pieces of a value of ${split.bytes} bytes are lost (generation ${split.generation})`);
      value = now;
    }
  }

  private async join({ generation, bytes, pieceBytes }: Split): Promise<Buffer | undefined> {
    const joined = Buffer.allocUnsafeSlow(bytes); // its pages are touched piece by piece
    const count = Math.ceil(bytes / pieceBytes);
    for (let first = 0; first < count; first += piecesAtOnce) {
      const rows = Array.from({ length: Math.min(piecesAtOnce, count - first) }, (_, i) => pieceRow(generation, first + i));
      const pieces = await this.engine.getMany(rows);
      for (const [i, piece] of pieces.entries()) {
        const at = (first + i) * pieceBytes;
        if (piece?.length !== Math.min(pieceBytes, bytes - at)) return undefined;
        joined.set(piece, at);
      }
      await this.nextTurn();
    }
    return joined;
  }

  /** Brings the value's pieces to the engine, where nobody sees them yet. */
  private async writePieces([key, value, rest]: LongPut): Promise<Split> {
    const { pieceBytes } = this;
    const split = { generation: ++this.lastGeneration, bytes: value.length + (rest?.length ?? 0), pieceBytes };
    await this.engine.write({ puts: [[splitRow(split.generation), key]], deletes: [] }, { sync: false });
    let puts: [Buffer, Buffer][] = [];
    for (let index = 0; index * pieceBytes < split.bytes; index++) {
      const from = index * pieceBytes;
      puts.push([pieceRow(split.generation, index), slice(value, rest, from, Math.min(from + pieceBytes, split.bytes))]);
      if (puts.length < piecesAtOnce) continue;
      await this.engine.write({ puts, deletes: [] }, { sync: false });
      puts = [];
      await this.nextTurn();
    }
    if (puts.length > 0) await this.engine.write({ puts, deletes: [] }, { sync: false });
    return split;
  }

  private nextTurn(): Promise<void> {
    return new Promise((resolve) => this.clock.nextTurn(resolve));
  }
}

/** The one, then the other. */
function joined<Item>(first: Items<Item>, second: readonly Item[]): Items<Item> {
  return {
    length: first.length + second.length,
    *[Symbol.iterator]() {
      yield* first;
      yield* second;
    },
  };
}

/** Rows that hold records. */
function isSplit(row: Buffer): boolean {
  return row[0] === tables.record || row[0] === tables.element;
}

function slice(value: Buffer, rest: Buffer | undefined, from: number, to: number): Buffer {
  if (rest === undefined || to <= value.length) return value.subarray(from, to);
  if (from >= value.length) return rest.subarray(from - value.length, to - value.length);
  return Buffer.concat([value.subarray(from), rest.subarray(0, to - value.length)]);
}

function markerOf({ generation, bytes, pieceBytes }: Split): Buffer {
  const marker = Buffer.allocUnsafe(markerBytes);
  marker[0] = markerShape;
  marker.writeDoubleBE(generation, 1);
  marker.writeUIntBE(bytes, 9, 6);
  marker.writeUInt32BE(pieceBytes, 15);
  return marker;
}

/** Where a row's value lies; undefined: it is `value` itself, or there is none. */
function splitOf(row: Buffer, value: Buffer | undefined): Split | undefined {
  if (value === undefined || value[0] !== markerShape || value.length !== markerBytes || !isSplit(row)) return undefined;
  return { generation: value.readDoubleBE(1), bytes: value.readUIntBE(9, 6), pieceBytes: value.readUInt32BE(15) };
}
