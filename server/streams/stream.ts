/**
 * A stream at a key as one command sees and changes it. What Redis keeps of a stream beside its entries is derived from them where they show it, so that XADD writes
 * one record:
 *
 *   last id          the greatest of the last entry's and what the marks say; a mark is written where the last entry goes, or the id is set
 *   entries added    entries that are there, and those that were removed, a counter
 *   greatest deleted in the marks
 *
 * A mark is of one coordinator: two that write at once both stand, and the greatest counts. Whatever is read is read before anything is written, so that a command
 * needs no more of the stream than it asks for.
 */
import type { Execution, StreamView } from '../../storage/execution.js';
import { parseInteger } from '../commands/arguments.js';
import {
  besideEntries,
  decodeFields,
  encodeFields,
  entriesBetween,
  entryElement,
  entryId,
  markElement,
  marks,
  removedElement,
} from './stream-elements.js';
import { idBytes, idMax, putId, readId, type StreamId } from './stream-id.js';

export interface StreamEntry {
  readonly id: StreamId;
  /** Fields and values, one after the other. */
  readonly fields: readonly Buffer[];
}

export interface Mark {
  readonly lastId: StreamId;
  readonly greatestDeletedId: StreamId;
}

/** The whole of a stream. */
export interface StreamContent extends Mark {
  readonly entries: readonly StreamEntry[];
  readonly entriesAdded: number;
}

/** Up to so many entries go by tombstones of their own; more, where they are most of the stream, by deleting the whole and writing again what stays. */
const wholeFrom = 64;

const greatest = (x: StreamId, y: StreamId): StreamId => (x > y ? x : y);

export class Stream {
  constructor(
    private readonly execution: Execution,
    private readonly key: Buffer,
    private readonly view: StreamView,
  ) {}

  /** Undefined when there is none at the key. Throws CommandError WRONGTYPE. */
  static at(execution: Execution, key: Buffer): Stream | undefined {
    const view = execution.stream(key);
    return view === undefined ? undefined : new Stream(execution, key, view);
  }

  /** Entries. */
  get length(): number {
    const { from, to } = besideEntries;
    return this.view.size - this.view.countIn(from, to);
  }

  get mark(): Mark {
    let [lastId, greatestDeletedId] = [0n, 0n];
    for (const { value } of this.view.range(marks.from, marks.to)) {
      lastId = greatest(lastId, readId(value, 0));
      greatestDeletedId = greatest(greatestDeletedId, readId(value, idBytes));
    }
    const [last] = this.entries(0n, idMax, 1, true);
    return { lastId: last === undefined ? lastId : greatest(lastId, last.id), greatestDeletedId };
  }

  get entriesAdded(): number {
    return this.length + this.removed;
  }

  private get removed(): number {
    return Number(parseInteger(this.view.get(removedElement) ?? Buffer.from('0')) ?? 0);
  }

  /** At most `most` entries of these ids, both inclusive, from the first on or from the last. */
  entries(first: StreamId, last: StreamId, most = Infinity, backwards = false): StreamEntry[] {
    if (first > last) return [];
    const { from, to } = entriesBetween(first, last);
    return this.view.range(from, to, most, backwards).map(({ element, value }) => ({ id: entryId(element), fields: decodeFields(value) }));
  }

  /** Ids of at most `most` entries, the first ones, that are below `end`. */
  idsBelow(end: StreamId, most: number): StreamId[] {
    if (end === 0n || most < 1) return [];
    const { from, to } = entriesBetween(0n, end - 1n);
    return this.view.range(from, to, most).map(({ element }) => entryId(element));
  }

  has(id: StreamId): boolean {
    return this.view.has(entryElement(id));
  }

  /** Removes entries that are there; `ids` are different ones. `isDeletion`: XDEL's, which is remembered. */
  remove(ids: readonly StreamId[], isDeletion: boolean): void {
    if (ids.length === 0) return;
    const { execution, key } = this;
    const mark = this.mark;
    const { length } = this;
    if (!isDeletion && ids.length >= wholeFrom && 2 * ids.length > length) return this.keepBehind(ids.at(-1) as StreamId);
    // What is written comes first: a collection that loses its last element loses its expiry, too.
    execution.incrementElement(key, 'stream', removedElement, BigInt(ids.length));
    const isLastGone = ids.includes(mark.lastId);
    const deleted = isDeletion ? ids.reduce(greatest) : 0n;
    if (isLastGone || length === ids.length || deleted > mark.greatestDeletedId)
      writeMark(execution, key, { lastId: mark.lastId, greatestDeletedId: greatest(mark.greatestDeletedId, deleted) });
    for (const id of ids) execution.removeElement(key, 'stream', entryElement(id));
  }

  /** All of it, entries from `first` on. */
  content(first: StreamId = 0n): StreamContent {
    return { ...this.mark, entriesAdded: this.entriesAdded, entries: this.entries(first, idMax) };
  }

  private keepBehind(last: StreamId): void {
    const content = this.content(last + 1n);
    const expiresAtMs = this.execution.expiryOf(this.key) ?? 0;
    writeStream(this.execution, this.key, content, expiresAtMs);
  }

  /** XSETID. What `entriesAdded` leaves undefined stays. */
  setMark(mark: Mark, entriesAdded: number | undefined): void {
    const { execution, key, view } = this;
    const own = markElement(execution.writtenDot.actor);
    const others = view.range(marks.from, marks.to).flatMap(({ element }) => (element.equals(own) ? [] : [element]));
    const { length } = this;
    if (entriesAdded !== undefined) execution.setElement(key, 'stream', removedElement, Buffer.from(String(entriesAdded - length)));
    writeMark(execution, key, mark);
    for (const element of others) execution.removeElement(key, 'stream', element);
  }
}

/** An entry whose id is above all others'. The stream is made with its first one. */
export function addEntry(execution: Execution, key: Buffer, { id, fields }: StreamEntry): void {
  execution.setElement(key, 'stream', entryElement(id), encodeFields(fields));
}

function writeMark(execution: Execution, key: Buffer, { lastId, greatestDeletedId }: Mark): void {
  const bytes = Buffer.allocUnsafe(2 * idBytes);
  putId(bytes, 0, lastId);
  putId(bytes, idBytes, greatestDeletedId);
  execution.setElement(key, 'stream', markElement(execution.writtenDot.actor), bytes);
}

/** Puts a stream in place of whatever is at the key. `expiresAtMs` 0 = none. */
export function writeStream(execution: Execution, key: Buffer, content: StreamContent, expiresAtMs: number): void {
  const { entries, entriesAdded } = content;
  execution.delete(key);
  for (const entry of entries) addEntry(execution, key, entry);
  const removed = entriesAdded - entries.length;
  if (removed > 0) execution.setElement(key, 'stream', removedElement, Buffer.from(String(removed)));
  if (entries.at(-1)?.id !== content.lastId || content.greatestDeletedId > 0n || entries.length === 0) writeMark(execution, key, content);
  if (expiresAtMs !== 0) execution.setExpiry(key, expiresAtMs);
}

/** The stream at a key that is living, and one. */
export function streamAt(execution: Execution, key: Buffer): Stream {
  const stream = Stream.at(execution, key);
  if (stream === undefined) throw new Error('the key of a living stream has none');
  return stream;
}
