/**
 * A stream at a key as one command sees and changes it. What Redis keeps of a stream beside its entries is derived from them where they show it, so that XADD writes
 * one record:
 *
 *   last id          the greatest of the last entry's and what the marks say; a mark is written where the last entry goes, or the id is set
 *   entries added    entries that are there, and those that were removed, a counter
 *   greatest deleted in the marks
 *   groups           group.ts
 *
 * A mark is of one coordinator: two that write at once both stand, and the greatest counts. Whatever is read is read before anything is written, so that a command
 * needs no more of the stream than it asks for.
 */
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, OrderedElement, StreamView } from '../../storage/execution.js';
import { parseInteger } from '../commands/arguments.js';
import { allCursors, allPending, cursorsOf, groupName, isClaim } from './group-elements.js';
import { elementsOfGroup, Group, groupsOf, type GroupContent } from './group.js';
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
  type StreamEntry,
} from './stream-elements.js';
import { idBytes, idMax, putId, readId, type StreamId } from './stream-id.js';

export type { StreamEntry } from './stream-elements.js';

export interface Mark {
  readonly lastId: StreamId;
  readonly greatestDeletedId: StreamId;
}

/** The whole of a stream. */
export interface StreamContent extends Mark {
  readonly groups: readonly GroupContent[];
  readonly entries: readonly StreamEntry[];
  readonly entriesAdded: number;
}

/** Up to so many entries go by tombstones of their own; more, where they are most of the stream, by deleting the whole and writing again what stays. */
const wholeFrom = 64;

const greatest = (x: StreamId, y: StreamId): StreamId => (x > y ? x : y);

export class Stream {
  private readGroups: readonly Group[] | undefined;
  private readMark: Mark | undefined;

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

  /** As it was when it was first asked for. */
  get mark(): Mark {
    return (this.readMark ??= this.readMarks());
  }

  get lastId(): StreamId {
    return this.mark.lastId;
  }

  private readMarks(): Mark {
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
    if (first === last) {
      // By itself: who asks for thousands by their ids, as XCLAIM may, needs no range for each.
      const value = most < 1 ? undefined : this.view.get(entryElement(first));
      return value === undefined ? [] : [{ id: first, fields: decodeFields(value) }];
    }
    const { from, to } = entriesBetween(first, last);
    return this.view.range(from, to, most, backwards).map(({ element, value }) => ({ id: entryId(element), fields: decodeFields(value) }));
  }

  /** Ids of at most `most` entries, the first ones, that are below `end`. */
  idsBelow(end: StreamId, most: number): StreamId[] {
    if (end === 0n || most < 1) return [];
    const { from, to } = entriesBetween(0n, end - 1n);
    return this.view.range(from, to, most).map(({ element }) => entryId(element));
  }

  /** By name. */
  get groups(): readonly Group[] {
    return (this.readGroups ??= groupsOf(this.execution, this.key, this.view, this, allCursors));
  }

  /** `reply`, told how much is pending of each group, by name in latin1: where that is much, over several turns, long after the command. */
  countPending(reply: (pending: ReadonlyMap<string, number>) => Reply): Reply {
    const counts = new Map<string, number>();
    let [last, count]: [Buffer | undefined, number] = [undefined, 0];
    const note = (): void => void (last !== undefined && counts.set(last.toString('latin1'), count));
    return this.view.scanned(allPending.from, allPending.to, {
      take: (element) => {
        const name = groupName(element);
        if (last?.equals(name) !== true) {
          note();
          [last, count] = [name, 0];
        }
        if (!isClaim(element)) count++;
      },
      reply: () => {
        note();
        return reply(counts);
      },
    });
  }

  group(name: Buffer): Group | undefined {
    return groupsOf(this.execution, this.key, this.view, this, cursorsOf(name))[0];
  }

  /** One of which there is nothing. */
  newGroup(name: Buffer): Group {
    return new Group(this.execution, this.key, this.view, this, name, new Map());
  }

  /**
   * The groups that are to hear that this coordinator writes to the stream (Group.adopt), but for one. Whoever writes asks before, and tells them, so that nobody has
   * to look for what was added behind what was delivered.
   */
  groupsToAdopt(but?: Group): readonly Group[] {
    return this.groups.filter((group) => (but === undefined || !group.name.equals(but.name)) && group.isToBeAdopted);
  }

  has(id: StreamId): boolean {
    return this.view.has(entryElement(id));
  }

  /**
   * Removes entries that are there; `ids` are different ones. `isDeletion`: XDEL's, which is remembered. `passed`: an entry that would come behind the last one, and
   * is removed with them.
   */
  remove(ids: readonly StreamId[], isDeletion: boolean, passed?: StreamId): void {
    const count = ids.length + (passed === undefined ? 0 : 1);
    if (count === 0) return;
    const { execution, key } = this;
    const { mark, length } = this;
    const lastId = passed ?? mark.lastId;
    const adopting = this.groupsToAdopt();
    if (!isDeletion && ids.length >= wholeFrom && 2 * ids.length > length && this.groups.length === 0) {
      const content = this.content((ids.at(-1) as StreamId) + 1n);
      const entriesAdded = content.entriesAdded + count - ids.length;
      return writeStream(execution, key, { ...content, lastId, entriesAdded }, execution.expiryOf(key) ?? 0);
    }
    // What is written comes first: a collection that loses its last element loses its expiry, too.
    for (const group of adopting) group.adopt();
    execution.incrementElement(key, 'stream', removedElement, BigInt(count));
    const isLastGone = passed !== undefined || ids.includes(mark.lastId);
    const deleted = isDeletion ? ids.reduce(greatest) : 0n;
    if (isLastGone || length === ids.length || deleted > mark.greatestDeletedId)
      writeMark(execution, key, { lastId, greatestDeletedId: greatest(mark.greatestDeletedId, deleted) });
    for (const id of ids) execution.removeElement(key, 'stream', entryElement(id));
  }

  /** All of it, entries from `first` on, to be written anew: of a group that lacks entries before its last id, from there on. */
  content(first: StreamId = 0n): StreamContent {
    return this.contentWith(
      first,
      this.groups.map((group) => group.content(group.settledId)),
    );
  }

  /** The same for a reader that knows of last ids only. */
  shownContent(): StreamContent {
    return this.contentWith(
      0n,
      this.groups.map((group) => group.content(group.lastId)),
    );
  }

  private contentWith(first: StreamId, groups: readonly GroupContent[]): StreamContent {
    return { ...this.mark, entriesAdded: this.entriesAdded, entries: this.entries(first, idMax), groups };
  }

  /** XSETID. What `entriesAdded` leaves undefined stays. */
  setMark(mark: Mark, entriesAdded: number | undefined): void {
    const { execution, key, view } = this;
    const own = markElement(execution.writtenDot.actor);
    const others = view.range(marks.from, marks.to).flatMap(({ element }) => (element.equals(own) ? [] : [element]));
    const { length } = this;
    const adopting = this.groupsToAdopt();
    for (const group of adopting) group.adopt();
    if (entriesAdded !== undefined) execution.setElement(key, 'stream', removedElement, Buffer.from(String(entriesAdded - length)));
    writeMark(execution, key, mark);
    for (const element of others) execution.removeElement(key, 'stream', element);
  }
}

/** An entry whose id is above all others'. The stream is made with its first one. */
export function addEntry(execution: Execution, key: Buffer, { id, fields }: StreamEntry): void {
  execution.setElement(key, 'stream', entryElement(id), encodeFields(fields));
}

function writeMark(execution: Execution, key: Buffer, mark: Mark): void {
  execution.setElement(key, 'stream', markElement(execution.writtenDot.actor), encodeMark(mark));
}

function encodeMark({ lastId, greatestDeletedId }: Mark): Buffer {
  const bytes = Buffer.allocUnsafe(2 * idBytes);
  putId(bytes, 0, lastId);
  putId(bytes, idBytes, greatestDeletedId);
  return bytes;
}

/** All that a stream is made of where the actor writes it anew. */
export function* elementsOf(content: StreamContent, actor: number): Generator<OrderedElement, void, undefined> {
  const { entries, entriesAdded, groups } = content;
  for (const { id, fields } of entries) yield { element: entryElement(id), value: encodeFields(fields) };
  const removed = entriesAdded - entries.length;
  if (removed > 0) yield { element: removedElement, value: Buffer.from(String(removed)) };
  if (entries.at(-1)?.id !== content.lastId || content.greatestDeletedId > 0n || entries.length === 0)
    yield { element: markElement(actor), value: encodeMark(content) };
  for (const group of groups) yield* elementsOfGroup(group, actor);
}

/** Puts a stream in place of whatever is at the key. `expiresAtMs` 0 = none. */
export function writeStream(execution: Execution, key: Buffer, content: StreamContent, expiresAtMs: number): void {
  const { actor } = execution.writtenDot;
  execution.delete(key);
  for (const { element, value } of elementsOf(content, actor)) execution.setElement(key, 'stream', element, value);
  if (expiresAtMs !== 0) execution.setExpiry(key, expiresAtMs);
}

/** The stream at a key that is living, and one. */
export function streamAt(execution: Execution, key: Buffer): Stream {
  const stream = Stream.at(execution, key);
  if (stream === undefined) throw new Error('the key of a living stream has none');
  return stream;
}
