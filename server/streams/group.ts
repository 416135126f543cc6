/**
 * One consumer group of a stream as one command sees and changes it. What it was given is in its cursors (delivered.ts); what of that is not acknowledged yet, and who has
 * it, in its pending entries. As of the stream, all that is needed is read before anything is written.
 */
import { emptyClock, type VectorClock } from '../../protocol/record.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, OrderedElement, StreamView } from '../../storage/execution.js';
import { justAfter } from '../../storage/loaded-ranges.js';
import { covers } from '../../storage/vector-clock.js';
import {
  adoptedBy,
  areEqual,
  deliveredUpTo,
  deliveredWithin,
  join,
  lastDelivered,
  nothing,
  openRanges,
  withAlways,
  type Delivered,
} from './delivered.js';
import {
  claimElement,
  consumerElement,
  consumerName,
  consumersOf,
  cursorElement,
  cursorsOf,
  decodeConsumer,
  decodeCursor,
  deliveryElement,
  encodeClaim,
  encodeConsumer,
  encodeCursor,
  encodeDelivery,
  groupName,
  isClaim,
  pendingBetween,
  pendingId,
  pendingOf,
  type ConsumerTimes,
  type Cursor,
  type Holding,
} from './group-elements.js';
import { PendingWalk, pendingOfElements, type Pending } from './pending-walk.js';
import { idMax, type StreamId } from './stream-id.js';
import { entryElement, type Span, type StreamEntry } from './stream-elements.js';

export type { Pending } from './pending-walk.js';

export interface Consumer extends ConsumerTimes {
  readonly name: Buffer;
}

/** A group whole, to be written elsewhere. */
export interface GroupContent {
  readonly name: Buffer;
  /** Up to there all counts as given. */
  readonly lastId: StreamId;
  readonly entriesRead: number | undefined;
  readonly consumers: readonly Consumer[];
  readonly pending: readonly (Holding & { readonly id: StreamId })[];
}

/** The stream that the group reads. */
export interface Entries {
  readonly lastId: StreamId;
  entries(first: StreamId, last: StreamId, most?: number): StreamEntry[];
}

export interface Delivery {
  readonly entries: readonly StreamEntry[];
  /** What the group was given with them. */
  readonly delivered: Delivered;
}

/** So many entries that were delivered, most of them, are looked through in one command for those that were not: what the other side of a partition added. */
const lookedMost = 1000;
/** Pending entries that are read at a time. */
const chunk = 256;
/** A consumer that asks in vain is noted so often, ms. */
const seenEachMs = 1000;

export class Group {
  constructor(
    private readonly execution: Execution,
    private readonly key: Buffer,
    private readonly view: StreamView,
    private readonly stream: Entries,
    readonly name: Buffer,
    private readonly cursors: ReadonlyMap<number, Cursor>,
  ) {}

  /** What all cursors say together. */
  get delivered(): Delivered {
    let all = nothing;
    for (const { delivered } of this.cursors.values()) all = join(all, delivered);
    return all;
  }

  get lastId(): StreamId {
    return lastDelivered(this.delivered);
  }

  /** Undefined where no cursor has what all of them have. */
  get entriesRead(): number | undefined {
    const { delivered } = this;
    return [...this.cursors.values()].find((cursor) => areEqual(cursor.delivered, delivered))?.entriesRead;
  }

  /** By name. */
  get consumers(): Consumer[] {
    const { from, to } = consumersOf(this.name);
    const consumers = this.view.range(from, to).map(({ element, value }) => ({ name: consumerName(element), ...decodeConsumer(value) }));
    return consumers.sort((x, y) => Buffer.compare(x.name, y.name));
  }

  consumer(name: Buffer): ConsumerTimes | undefined {
    const value = this.view.get(consumerElement(this.name, name));
    return value === undefined ? undefined : decodeConsumer(value);
  }

  pendingAt(id: StreamId): Pending | undefined {
    const element = deliveryElement(this.name, id);
    const value = this.view.get(element);
    return value === undefined ? undefined : this.shown({ element, value }, this.view.get(claimElement(this.name, id)));
  }

  /** Those of these ids, both inclusive, in order. `orphans` gets the ids of claims whose delivery is gone. */
  *pending(first: StreamId = 0n, last: StreamId = idMax, orphans: StreamId[] = []): Generator<Pending, void, undefined> {
    const { from: begin, to } = pendingBetween(this.name, first, last);
    let from = begin;
    let held: OrderedElement | undefined;
    for (;;) {
      const read = this.view.range(from, to, chunk);
      for (const each of read) {
        const { element, value } = each;
        if (!isClaim(element)) {
          if (held !== undefined) yield this.shown(held, undefined);
          held = each;
        } else if (held !== undefined && pendingId(held.element) === pendingId(element)) {
          yield this.shown(held, value);
          held = undefined;
        } else orphans.push(pendingId(element));
      }
      if (read.length < chunk) break;
      from = justAfter((read.at(-1) as OrderedElement).element);
    }
    if (held !== undefined) yield this.shown(held, undefined);
  }

  private shown({ element, value }: OrderedElement, claim: Buffer | undefined): Pending {
    return pendingOfElements(element, value, this.view.dotOf(element), claim);
  }

  /** `reply`, after `each` was called for all that is pending, in the order of ids: where that is much, over several turns, long after the command. */
  scanPending(each: (pending: Pending) => void, reply: () => Reply): Reply {
    const walk = new PendingWalk(each);
    const { from, to } = pendingOf(this.name);
    return this.view.scanned(from, to, {
      take: (element, value, dot) => walk.take(element, value, dot),
      reply: () => {
        walk.end();
        return reply();
      },
    });
  }

  /** The next entries that the group has not been given, at most `most`, in the order of their ids. Reads only: what they are given as is written by `give`. */
  next(most: number): Delivery {
    const { stream } = this;
    const known = this.known;
    const vouching = withAlways(known, this.actor);
    const found: StreamEntry[] = [];
    let delivered = this.adopted;
    let looked = lookedMost;
    for (const { after, to, clock } of openRanges(delivered, this.view.top, idMax)) {
      const isNew = clock.size === 0;
      const budget = isNew ? most - found.length : looked;
      if (budget === 0 || found.length === most) continue;
      const entries = stream.entries(after + 1n, to, budget);
      if (!isNew) looked -= entries.length;
      let upTo = after;
      for (const entry of entries) {
        if (found.length === most) break;
        const dot = this.view.dotOf(entryElement(entry.id));
        // What came before something of its writer's that is still missing waits for that: else nobody would know what was delivered.
        if (!covers(clock, dot) && covers(vouching, dot)) found.push(entry);
        upTo = entry.id;
      }
      const isOver = entries.length < budget && upTo === (entries.at(-1)?.id ?? after);
      if (isOver && to !== idMax) upTo = to;
      // What it adds later may lie before an id that the stream has not come to yet.
      if (upTo > after) delivered = join(delivered, deliveredWithin(after, upTo, upTo <= stream.lastId ? vouching : known));
    }
    return { entries: found, delivered };
  }

  /** What is here, without gaps, of all that was ever written to the stream. */
  private get known(): VectorClock {
    const { seen, top } = this.view;
    return new Map([...top.keys()].flatMap((actor) => (seen.has(actor) ? [[actor, seen.get(actor) as number]] : [])));
  }

  /** Up to an id all counts as delivered, also what this coordinator adds later. */
  upTo(id: StreamId): Delivered {
    return id === 0n ? nothing : deliveredWithin(0n, id, withAlways(this.known, this.actor));
  }

  private get actor(): number {
    return this.execution.writtenDot.actor;
  }

  /** What was given, where this coordinator says of it what it may. */
  private get adopted(): Delivered {
    return adoptedBy(this.delivered, this.actor, this.view.top.get(this.actor) ?? 0, this.stream.lastId);
  }

  /** Whether `adopt` has something to write. */
  get isToBeAdopted(): boolean {
    const { delivered } = this;
    return delivered.length > 0 && !areEqual(this.adopted, delivered);
  }

  /** Says, where it is so, that what this coordinator adds to the stream from here on lies behind what was delivered. Reads nothing, after `isToBeAdopted`. */
  adopt(): void {
    this.setCursor({ delivered: this.adopted, entriesRead: this.entriesRead });
  }

  /** In place of all that its cursors said before. Makes the group where there was none. */
  setCursor(cursor: Cursor): void {
    const { actor, execution, key, name } = this;
    execution.setElement(key, 'stream', cursorElement(name, actor), encodeCursor(cursor));
    for (const other of this.cursors.keys()) if (other !== actor) this.remove(cursorElement(name, other));
  }

  setConsumer(name: Buffer, times: ConsumerTimes): void {
    this.execution.setElement(this.key, 'stream', consumerElement(this.name, name), encodeConsumer(times));
  }

  /** The consumer is seen now; `isActive`: it is given something. One that asks again and again in vain is written now and then only: false where it is not. */
  seeConsumer(name: Buffer, known: ConsumerTimes | undefined, isActive: boolean): boolean {
    const { nowMs } = this.execution;
    if (known !== undefined && !isActive && nowMs - known.seenMs < seenEachMs) return false;
    this.setConsumer(name, { seenMs: nowMs, activeMs: isActive ? nowMs : (known?.activeMs ?? 0) });
    return true;
  }

  /** Anew, whoever had it before. */
  give(id: StreamId, holding: Holding): void {
    this.execution.setElement(this.key, 'stream', deliveryElement(this.name, id), encodeDelivery(holding));
  }

  claim({ id, delivery }: Pending, holding: Holding): void {
    this.execution.setElement(this.key, 'stream', claimElement(this.name, id), encodeClaim(delivery, holding));
  }

  /** What is pending of this id, delivery and claim; false where there was none. */
  acknowledge(id: StreamId): boolean {
    this.remove(claimElement(this.name, id));
    return this.remove(deliveryElement(this.name, id));
  }

  removeConsumer(name: Buffer): void {
    this.remove(consumerElement(this.name, name));
  }

  /** Everything that has its name; `cursors` too: the group is no more. */
  clear(isDestroyed: boolean): void {
    const spans = [consumersOf(this.name), pendingOf(this.name), ...(isDestroyed ? [cursorsOf(this.name)] : [])];
    const elements = spans.flatMap(({ from, to }) => this.view.range(from, to)).map(({ element }) => element);
    for (const element of elements) this.remove(element);
  }

  private remove(element: Buffer): boolean {
    return this.execution.removeElement(this.key, 'stream', element);
  }

  /** Up to there all was given that was ever added; a copy of the stream begins there. Needs no word of a coordinator's, so that a read may ask. */
  get settledId(): StreamId {
    return deliveredUpTo(this.delivered, this.view.top);
  }

  content(lastId: StreamId): GroupContent {
    return { name: this.name, lastId, entriesRead: this.entriesRead, consumers: this.consumers, pending: [...this.pending()] };
  }
}

/** Of all groups of a stream, by their names. */
export function groupsOf(execution: Execution, key: Buffer, view: StreamView, stream: Entries, within: Span): Group[] {
  const cursors = new Map<string, { readonly name: Buffer; readonly byActor: Map<number, Cursor> }>();
  for (const { element, value } of view.range(within.from, within.to)) {
    const name = groupName(element);
    const id = name.toString('latin1');
    let group = cursors.get(id);
    if (group === undefined) cursors.set(id, (group = { name, byActor: new Map() }));
    group.byActor.set(element.readUInt32BE(element.length - 4), decodeCursor(value));
  }
  const groups = [...cursors.values()].map(({ name, byActor }) => new Group(execution, key, view, stream, name, byActor));
  return groups.sort((x, y) => Buffer.compare(x.name, y.name));
}

/** What each consumer has of all that is pending, in the same order, by its name in latin1. */
export function byConsumer<Held extends { readonly consumer: Buffer }>(pending: readonly Held[]): ReadonlyMap<string, readonly Held[]> {
  const held = new Map<string, Held[]>();
  for (const each of pending) {
    const name = each.consumer.toString('latin1');
    const others = held.get(name);
    if (others === undefined) held.set(name, [each]);
    else others.push(each);
  }
  return held;
}

/** A group as the actor writes it to a stream that has none of the name. What is not behind its last id counts as delivered. */
export function* elementsOfGroup(content: GroupContent, actor: number): Generator<OrderedElement, void, undefined> {
  const { name, lastId, entriesRead, consumers, pending } = content;
  const delivered = lastId === 0n ? nothing : deliveredWithin(0n, lastId, withAlways(emptyClock, actor));
  yield { element: cursorElement(name, actor), value: encodeCursor({ delivered, entriesRead }) };
  for (const { name: consumer, seenMs, activeMs } of consumers)
    yield { element: consumerElement(name, consumer), value: encodeConsumer({ seenMs, activeMs }) };
  for (const { id, ...holding } of pending) yield { element: deliveryElement(name, id), value: encodeDelivery(holding) };
}
