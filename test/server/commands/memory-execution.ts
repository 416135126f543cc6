/**
 * One node's keys in a Map, as a command sees them: what the families are tested against, with no cluster, clock or disk around them. A command
 * that throws or answers an error leaves no trace, as the real one.
 */
import type { Dot } from '../../../protocol/dot.js';
import { slotOf } from '../../../protocol/slot.js';
import { ErrorReply } from '../../../protocol/resp/reply.js';
import type { Reply } from '../../../protocol/resp/reply.js';
import { scanHash, sliceOf } from '../../../storage/key-order.js';
import { CommandError } from '../../../storage/execution.js';
import type { LongWork } from '../../../storage/long-work.js';
import type {
  CollectionName,
  CollectionView,
  ElementScan,
  Execution,
  ListView,
  OrderedElement,
  ScannedElements,
  ScannedSlot,
  ScoredMember,
  SortedView,
  Sought,
  StreamView,
  StringObject,
  TypeName,
} from '../../../storage/execution.js';
import { decodeScore, encodeScore } from '../../../storage/score-value.js';
import type { Run } from '../../../server/command-table.js';

interface Entry {
  readonly slot: number;
  readonly type: TypeName;
  readonly bytes: Buffer;
  readonly expiresAtMs: number;
  /** Of a collection: values by element in latin1, and when elements expire that do. */
  readonly elements?: ReadonlyMap<string, Buffer>;
  readonly expiries?: ReadonlyMap<string, number>;
  /** Of a list. */
  readonly values?: readonly Buffer[];
}

const wrongType = new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value');
const notAnInteger = new ErrorReply('ERR value is not an integer or out of range');
const overflow = new ErrorReply('ERR increment or decrement would overflow');
const onlyDot: Dot = { actor: 0, counter: 1 };
const int64 = { least: -(2n ** 63n), most: 2n ** 63n - 1n };

export class MemoryExecution implements Execution {
  readonly resp = 2;
  readonly partition = 0;
  stringBytesMax = 512 * 1024 * 1024;
  sparseBytesMax = 3000;
  private entries = new Map<string, Entry>();

  constructor(public nowMs: number) {}

  /** Runs a command all or nothing. */
  execute(run: Run): Reply {
    const before = new Map(this.entries);
    try {
      const reply = run(this);
      if (reply instanceof ErrorReply) this.entries = before;
      return reply;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.entries = before;
      return error.reply;
    }
  }

  random(below: number): number {
    return Math.floor(Math.random() * below);
  }

  collection(key: Buffer, type: CollectionName): CollectionView | undefined {
    const entry = this.living(key);
    if (entry !== undefined && entry.type !== type) throw new CommandError(wrongType);
    return entry === undefined
      ? undefined
      : new MemoryCollection(
          () => this.elementsAt(key),
          () => this.entries.get(nameOf(key))?.expiries,
        );
  }

  sorted(key: Buffer): SortedView | undefined {
    if (this.collection(key, 'zset') === undefined) return undefined;
    return new MemorySortedSet(
      () => this.elementsAt(key),
      () => undefined,
    );
  }

  incrementScore(key: Buffer, member: Buffer, by: number): number | 'not-a-number' {
    const score = this.sorted(key)?.scoreOf(member);
    const sum = score === undefined ? by : score + by;
    if (Number.isNaN(sum)) return 'not-a-number';
    if (score !== sum) this.setElement(key, 'zset', member, encodeScore(sum));
    return sum;
  }

  setElement(key: Buffer, type: CollectionName, element: Buffer, bytes: Buffer, expiresAtMs = 0): boolean {
    const isNew = this.collection(key, type)?.has(element) !== true;
    const entry = this.living(key);
    const elements = new Map([...(entry?.elements ?? []), [nameOf(element), Buffer.from(bytes)] as const]);
    const expiries = new Map(entry?.expiries);
    if (expiresAtMs === 0) expiries.delete(nameOf(element));
    else expiries.set(nameOf(element), expiresAtMs);
    const value = { slot: slotOf(key), type, bytes: Buffer.alloc(0), expiresAtMs: entry?.expiresAtMs ?? 0, elements, expiries };
    this.entries.set(nameOf(key), value);
    return isNew;
  }

  setElementExpiry(key: Buffer, type: CollectionName, element: Buffer, expiresAtMs: number): boolean {
    const bytes = this.collection(key, type)?.get(element);
    if (bytes === undefined) return false;
    this.setElement(key, type, element, bytes, expiresAtMs);
    return true;
  }

  incrementElement(key: Buffer, type: CollectionName, element: Buffer, by: bigint): bigint | 'not-an-integer' | 'overflow' {
    const text = this.collection(key, type)?.get(element)?.toString('latin1') ?? '0';
    const value = integerOf(text);
    if (value === undefined) return 'not-an-integer';
    const sum = value + by;
    if (sum < int64.least || sum > int64.most) return 'overflow';
    this.setElement(key, type, element, Buffer.from(String(sum)), this.collection(key, type)?.expiryOf(element));
    return sum;
  }

  removeElement(key: Buffer, type: CollectionName, element: Buffer): boolean {
    if (this.collection(key, type)?.has(element) !== true) return false;
    const entry = this.living(key) as Entry;
    const elements = new Map([...(entry.elements ?? [])].filter(([name]) => name !== nameOf(element)));
    if (elements.size === 0) this.entries.delete(nameOf(key));
    else this.entries.set(nameOf(key), { ...entry, elements });
    return true;
  }

  removeElements(key: Buffer, type: CollectionName, elements: readonly Buffer[]): number {
    return elements.filter((element) => this.removeElement(key, type, element)).length;
  }

  bytesOf(key: Buffer): number {
    const entry = this.living(key);
    const elements = [...(entry?.elements ?? []), ...(entry?.values ?? []).map((value) => ['', value] as const)];
    return elements.reduce((sum, [name, bytes]) => sum + name.length + bytes.length, key.length);
  }

  list(key: Buffer): ListView | undefined {
    const entry = this.living(key);
    if (entry !== undefined && entry.type !== 'list') throw new CommandError(wrongType);
    return entry === undefined ? undefined : new MemoryList(() => this.entries.get(nameOf(key))?.values ?? []);
  }

  stream(key: Buffer): StreamView | undefined {
    return this.collection(key, 'stream') === undefined
      ? undefined
      : new MemoryStream(
          () => this.elementsAt(key),
          () => undefined,
        );
  }

  readonly writtenDot = onlyDot;

  insertIntoList(key: Buffer, at: number, values: readonly Buffer[]): void {
    this.list(key);
    this.changeList(key, (before) => [...before.slice(0, at), ...values.map((value) => Buffer.from(value)), ...before.slice(at)]);
  }

  replaceInList(key: Buffer, at: number, value: Buffer): void {
    this.changeList(key, (before) => before.with(at, Buffer.from(value)));
  }

  removeFromList(key: Buffer, ranges: readonly (readonly [from: number, to: number])[]): void {
    this.changeList(key, (before) => before.filter((_, at) => !ranges.some(([from, to]) => from <= at && at < to)));
  }

  rotateList(key: Buffer, from: 'left' | 'right'): void {
    this.changeList(key, (before) =>
      from === 'left' ? [...before.slice(1), ...before.slice(0, 1)] : [...before.slice(-1), ...before.slice(0, -1)],
    );
  }

  private changeList(key: Buffer, change: (before: readonly Buffer[]) => readonly Buffer[]): void {
    const entry = this.living(key);
    const values = change(entry?.values ?? []);
    if (values.length === 0) this.entries.delete(nameOf(key));
    else
      this.entries.set(nameOf(key), {
        slot: slotOf(key),
        type: 'list',
        bytes: Buffer.alloc(0),
        expiresAtMs: entry?.expiresAtMs ?? 0,
        values,
      });
  }

  longCombination(): undefined {
    return undefined;
  }

  longScoredCombination(): undefined {
    return undefined;
  }

  longMembers(): undefined {
    return undefined;
  }

  made<Made>(work: LongWork<Made>): Made {
    return work.take();
  }

  string(key: Buffer): StringObject | undefined {
    const entry = this.living(key);
    if (entry && entry.type !== 'string') throw new CommandError(wrongType);
    return entry;
  }

  value(key: Buffer): Buffer | null {
    return this.string(key)?.bytes ?? null;
  }

  typeOf(key: Buffer): TypeName | undefined {
    return this.living(key)?.type;
  }

  expiryOf(key: Buffer): number | undefined {
    return this.living(key)?.expiresAtMs;
  }

  setString(key: Buffer, bytes: Buffer, expiresAtMs: number): void {
    this.entries.set(nameOf(key), { slot: slotOf(key), type: 'string', bytes: Buffer.from(bytes), expiresAtMs });
  }

  increment(key: Buffer, by: bigint): bigint {
    const before = this.string(key);
    const value = integerOf(before?.bytes.toString('latin1') ?? '0');
    if (value === undefined) throw new CommandError(notAnInteger);
    const sum = value + by;
    if (sum < int64.least || sum > int64.most) throw new CommandError(overflow);
    this.setString(key, Buffer.from(String(sum)), before?.expiresAtMs ?? 0);
    return sum;
  }

  setExpiry(key: Buffer, expiresAtMs: number): boolean {
    const entry = this.living(key);
    if (entry) this.entries.set(nameOf(key), { ...entry, expiresAtMs });
    return entry !== undefined;
  }

  delete(key: Buffer): boolean {
    const existed = this.living(key) !== undefined;
    this.entries.delete(nameOf(key));
    return existed;
  }

  keyCount(): number {
    return this.entries.size;
  }

  keysInSlot(slot: number, limit: number, after?: Buffer): readonly Buffer[] {
    const keys: Buffer[] = [];
    for (const [name, entry] of this.entries) {
      if (entry.slot !== slot) continue;
      const key = Buffer.from(name, 'latin1');
      if (this.living(key) && (!after || Buffer.compare(key, after) > 0)) keys.push(key);
    }
    return keys.toSorted((x, y) => Buffer.compare(x, y)).slice(0, limit);
  }

  scanSlot(slot: number, position: number, limit: number): ScannedSlot {
    const { keys, next } = sliceOf(this.keysInSlot(slot, Infinity), scanHash, position, limit);
    return { keys, examined: keys.length, next };
  }

  private elementsAt(key: Buffer): ReadonlyMap<string, Buffer> {
    return this.living(key)?.elements ?? new Map<string, Buffer>();
  }

  /** Without what has expired of it. */
  private living(key: Buffer): Entry | undefined {
    const entry = this.entries.get(nameOf(key));
    if (entry === undefined || (entry.expiresAtMs !== 0 && entry.expiresAtMs <= this.nowMs)) return undefined;
    const { elements, expiries } = entry;
    if (elements === undefined || expiries === undefined || expiries.size === 0) return entry;
    const left = [...elements].filter(([name]) => (expiries.get(name) ?? Infinity) > this.nowMs);
    return left.length === 0 ? undefined : { ...entry, elements: new Map(left) };
  }
}

/** In the order in which the elements were written first. */
class MemoryCollection implements CollectionView {
  constructor(
    private readonly map: () => ReadonlyMap<string, Buffer>,
    private readonly expiries: () => ReadonlyMap<string, number> | undefined,
  ) {}

  get size(): number {
    return this.map().size;
  }

  has(element: Buffer): boolean {
    return this.map().has(nameOf(element));
  }

  get(element: Buffer): Buffer | undefined {
    return this.map().get(nameOf(element));
  }

  get mayExpire(): boolean {
    return (this.expiries()?.size ?? 0) > 0;
  }

  expiryOf(element: Buffer): number | undefined {
    return this.has(element) ? (this.expiries()?.get(nameOf(element)) ?? 0) : undefined;
  }

  pairs(): Buffer[] {
    return Array.from(this.map(), ([name, bytes]) => [Buffer.from(name, 'latin1'), bytes]).flat();
  }

  elements(): Buffer[] {
    return [...this.map().keys()].map((name) => Buffer.from(name, 'latin1'));
  }

  long(): undefined {
    return undefined;
  }

  source(): 'at once' {
    return 'at once';
  }

  longRandom(): undefined {
    return undefined;
  }

  elementAt(at: number): Buffer {
    return this.elements()[at] ?? Buffer.alloc(0);
  }

  valueAt(at: number): Buffer {
    return [...this.map().values()][at] ?? Buffer.alloc(0);
  }

  scan(position: number, limit: number): ScannedElements {
    const { keys, next } = sliceOf(this.elements(), (element) => scanHash(element), position, limit);
    return { pairs: keys.flatMap((element) => [element, this.get(element) as Buffer]), next };
  }
}

class MemoryList implements ListView {
  constructor(private readonly values: () => readonly Buffer[]) {}

  get size(): number {
    return this.values().length;
  }

  slice(from: number, to: number): Buffer[] {
    return this.values().slice(from, to);
  }

  range(from: number, to: number): Reply {
    return this.slice(from, to);
  }

  indexesOf({ value, fromEnd, most, lookedAt }: Sought): number[] {
    const indexes = this.values().map((_, index) => index);
    const looked = (fromEnd ? indexes.reverse() : indexes).slice(0, lookedAt);
    return looked.filter((index) => this.values()[index]?.equals(value)).slice(0, most);
  }

  search(sought: Sought, passed: number, isArray: boolean): Reply {
    const found = this.indexesOf(sought).slice(passed);
    return isArray ? found : (found[0] ?? null);
  }
}

class MemoryStream extends MemoryCollection implements StreamView {
  range(from: Buffer, to: Buffer, most = Infinity, backwards = false): OrderedElement[] {
    const within = this.elements()
      .filter((element) => Buffer.compare(element, from) >= 0 && Buffer.compare(element, to) < 0)
      .sort((x, y) => Buffer.compare(x, y));
    return (backwards ? within.reverse() : within).slice(0, most).map((element) => ({ element, value: this.get(element) as Buffer }));
  }

  countIn(from: Buffer, to: Buffer): number {
    return this.range(from, to).length;
  }

  scanned(from: Buffer, to: Buffer, scan: ElementScan): Reply {
    for (const { element, value } of this.range(from, to)) scan.take(element, value, onlyDot);
    return scan.reply();
  }

  /** One writer, all of whose writes are the same to whoever asks. */
  dotOf(): Dot {
    return onlyDot;
  }

  readonly top = new Map([[onlyDot.actor, onlyDot.counter]]);
  readonly seen = this.top;
}

class MemorySortedSet extends MemoryCollection implements SortedView {
  scoreOf(member: Buffer): number | undefined {
    const bytes = this.get(member);
    return bytes === undefined ? undefined : decodeScore(bytes);
  }

  rankOf(member: Buffer): number | undefined {
    const rank = this.inOrder().findIndex((each) => each.member.equals(member));
    return rank < 0 ? undefined : rank;
  }

  countToScore(score: number, orEqual: boolean): number {
    return this.inOrder().filter((each) => each.score < score || (orEqual && each.score === score)).length;
  }

  countToMember(member: Buffer, orEqual: boolean): number {
    return this.inOrder().filter((each) => Buffer.compare(each.member, member) < (orEqual ? 1 : 0)).length;
  }

  longSlice(): undefined {
    return undefined;
  }

  slice(from: number, to: number): ScoredMember[] {
    return from < to ? this.inOrder().slice(from, to) : [];
  }

  private inOrder(): ScoredMember[] {
    return this.elements()
      .map((member) => ({ member, score: this.scoreOf(member) ?? 0 }))
      .sort((x, y) => x.score - y.score || Buffer.compare(x.member, y.member));
  }
}

function integerOf(text: string): bigint | undefined {
  if (!/^(0|-?[1-9][0-9]{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value < int64.least || value > int64.most ? undefined : value;
}

const nameOf = (key: Buffer): string => key.toString('latin1');
