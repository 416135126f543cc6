/**
 * A stream in the bytes of RDB (rdb.c, t_stream.c): nodes of packed entries by the id of their first one, what the stream knows of itself, its groups, what is pending of
 * each, and which consumer has it.
 *
 *   node     count | deleted | fields n | field * n | 0 | entry *                    a listpack
 *   entry    flags | ms - node's ms | sequence - node's | fields and values, or, with the flag, values alone | how many of these there were
 *
 * The form of 7.0 is written; those from 5.0 to 7.2 are read.
 */
import { FormatError } from '../../protocol/format-error.js';
import { readListpack, writeListpack } from '../../protocol/rdb/listpack.js';
import type { RdbReader } from '../../protocol/rdb/reader.js';
import { rdbType } from '../../protocol/rdb/types.js';
import type { RdbWriter } from '../../protocol/rdb/writer.js';
import type { Holding } from '../streams/group-elements.js';
import { byConsumer, type Consumer, type GroupContent } from '../streams/group.js';
import { IdMap } from '../streams/id-map.js';
import { idBytes, idOf, msOf, putId, readId, sequenceOf, type StreamId } from '../streams/stream-id.js';
import type { StreamContent, StreamEntry } from '../streams/stream.js';

/** As Redis cuts them. */
const nodeEntries = 100;
const nodeBytes = 4096;
const flag = { deleted: 1n, sameFields: 2n } as const;
const zero = 0n;
/** Of a group that knows not how many entries it has read. */
const unknownCount = 2n ** 64n - 1n;

const invalid = (what: string): FormatError => new FormatError('INVALID', `a stream with ${what}`);

function idOfBytes(id: StreamId): Buffer {
  const bytes = Buffer.alloc(idBytes);
  putId(bytes, 0, id);
  return bytes;
}

function writeId(writer: RdbWriter, id: StreamId): void {
  writer.wide(msOf(id));
  writer.wide(sequenceOf(id));
}

const readWideId = (reader: RdbReader): StreamId => idOf(reader.wide(), reader.wide());

const namesOf = (fields: readonly Buffer[]): Buffer[] => fields.filter((_, i) => i % 2 === 0);

/** Entries that one node takes, from the first on. */
function nodesOf(entries: readonly StreamEntry[]): StreamEntry[][] {
  const nodes: StreamEntry[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const node = nodes.at(-1);
    if (node === undefined || node.length >= nodeEntries || bytes > nodeBytes) {
      nodes.push([entry]);
      bytes = 0;
    } else node.push(entry);
    for (const { length } of entry.fields) bytes += length;
  }
  return nodes;
}

function packNode(entries: readonly StreamEntry[]): Buffer {
  const first = entries[0] as StreamEntry;
  const names = namesOf(first.fields);
  const packed: (Buffer | bigint)[] = [BigInt(entries.length), zero, BigInt(names.length), ...names, zero];
  for (const { id, fields } of entries) {
    const own = namesOf(fields);
    const isSame = own.length === names.length && own.every((name, i) => name.equals(names[i] as Buffer));
    const differences = [msOf(id) - msOf(first.id), sequenceOf(id) - sequenceOf(first.id)].map((each) => BigInt.asIntN(64, each));
    const rest = isSame ? fields.filter((_, i) => i % 2 === 1) : [BigInt(own.length), ...fields];
    packed.push(isSame ? flag.sameFields : zero, ...differences, ...rest, BigInt(3 + rest.length));
  }
  return writeListpack(packed);
}

/** Type byte and value. */
export function writeStreamPayload(writer: RdbWriter, content: StreamContent): void {
  const { entries, groups } = content;
  writer.u8(rdbType.streamListpacks2);
  const nodes = nodesOf(entries);
  writer.length(nodes.length);
  for (const node of nodes) {
    writer.string(idOfBytes((node[0] as StreamEntry).id));
    writer.string(packNode(node));
  }
  writer.length(entries.length);
  writeId(writer, content.lastId);
  writeId(writer, entries[0]?.id ?? 0n);
  writeId(writer, content.greatestDeletedId);
  writer.length(content.entriesAdded);
  writer.length(groups.length);
  for (const group of groups) writeGroup(writer, group);
}

function writeGroup(writer: RdbWriter, { name, lastId, entriesRead, pending, consumers }: GroupContent): void {
  writer.string(name);
  writeId(writer, lastId);
  writer.wide(entriesRead === undefined ? unknownCount : BigInt(entriesRead));
  writer.length(pending.length);
  for (const { id, sinceMs, times } of pending) {
    writer.raw(idOfBytes(id));
    writer.u64LE(sinceMs);
    writer.wide(times);
  }
  const held = byConsumer(pending);
  writer.length(consumers.length);
  for (const { name: consumer, seenMs } of consumers) {
    writer.string(consumer);
    writer.u64LE(seenMs);
    const own = held.get(consumer.toString('latin1')) ?? [];
    writer.length(own.length);
    for (const { id } of own) writer.raw(idOfBytes(id));
  }
}

/** Of the form with this type byte. Throws FormatError. */
export const readStreamPayload =
  (type: number) =>
  (reader: RdbReader): StreamContent => {
    const entries: StreamEntry[] = [];
    for (let left = reader.length(); left > 0; left--) {
      const key = reader.string();
      if (key.length !== idBytes) throw invalid(`a node of key ${key.toString('hex')}`);
      readNode(readId(key, 0), readListpack(Buffer.from(reader.string())), entries);
    }
    const length = reader.number();
    if (length !== entries.length) throw invalid(`${entries.length} entries of ${length}`);
    const lastId = readWideId(reader);
    if (lastId < (entries.at(-1)?.id ?? 0n)) throw invalid('a last id before its last entry');
    let [greatestDeletedId, entriesAdded] = [0n, length];
    if (type !== rdbType.streamListpacks) {
      readWideId(reader); // of its first entry
      greatestDeletedId = readWideId(reader);
      entriesAdded = reader.number();
      if (entriesAdded < length) throw invalid(`${entriesAdded} entries added and ${length} there`);
    }
    const groups: GroupContent[] = [];
    for (let left = reader.length(); left > 0; left--) groups.push(readGroup(reader, type));
    if (new Set(groups.map(({ name }) => name.toString('latin1'))).size < groups.length) throw invalid('two groups of one name');
    return { entries, lastId, greatestDeletedId, entriesAdded, groups };
  };

/** Appends what is not deleted. */
function readNode(master: StreamId, packed: readonly Buffer[], entries: StreamEntry[]): void {
  let at = 0;
  const bytes = (): Buffer => {
    const value = packed[at++];
    if (value === undefined) throw invalid('a node that is cut off');
    return value;
  };
  const integer = (): bigint => {
    const text = bytes().toString('latin1');
    if (!/^-?\d{1,20}$/.test(text)) throw invalid(`"${text}" in place of an integer`);
    return BigInt(text);
  };
  const some = (count: number): Buffer[] => {
    if (count < 0 || count > packed.length) throw invalid(`${count} fields`);
    return Array.from({ length: count }, bytes);
  };
  const count = Number(integer() + integer());
  const names = some(Number(integer()));
  integer(); // where walking back ends
  for (let i = 0; i < count; i++) {
    const flags = integer();
    const ms = BigInt.asUintN(64, msOf(master) + integer());
    const id = idOf(ms, BigInt.asUintN(64, sequenceOf(master) + integer()));
    const isSame = (flags & flag.sameFields) !== 0n;
    const fields = isSame ? some(names.length).flatMap((value, j) => [names[j] as Buffer, value]) : some(2 * Number(integer()));
    integer(); // how long the entry is
    if ((flags & flag.deleted) !== 0n) continue;
    if (id <= (entries.at(-1)?.id ?? 0n)) throw invalid('entries that are not in order');
    entries.push({ id, fields });
  }
  if (at !== packed.length) throw invalid('more than its entries in a node');
}

function readGroup(reader: RdbReader, type: number): GroupContent {
  const name = Buffer.from(reader.string());
  const lastId = readWideId(reader);
  const count = type === rdbType.streamListpacks ? unknownCount : reader.wide();
  const held = new IdMap<Omit<Holding, 'consumer'>>();
  for (let left = reader.length(); left > 0; left--) {
    const id = readId(reader.raw(idBytes), 0);
    held.set(id, { sinceMs: reader.u64LE(), times: BigInt.asIntN(64, reader.wide()) });
  }
  const pending: (Holding & { readonly id: StreamId })[] = [];
  const consumers: Consumer[] = [];
  for (let left = reader.length(); left > 0; left--) {
    const consumer = Buffer.from(reader.string());
    const seenMs = reader.u64LE();
    const activeMs = type === rdbType.streamListpacks3 ? activeOf(reader) : seenMs; // which older forms do not have
    consumers.push({ name: consumer, seenMs, activeMs });
    for (let owned = reader.length(); owned > 0; owned--) {
      const id = readId(reader.raw(idBytes), 0);
      const holding = held.get(id);
      if (holding === undefined) throw invalid('a consumer that has what is not pending');
      held.delete(id);
      pending.push({ id, consumer, ...holding });
    }
  }
  if (held.size > 0) throw invalid('what no consumer has');
  const isUnknown = count === unknownCount || count > BigInt(Number.MAX_SAFE_INTEGER);
  return { name, lastId, entriesRead: isUnknown ? undefined : Number(count), consumers, pending };
}

/** -1 of a consumer that was never given anything. */
function activeOf(reader: RdbReader): number {
  const value = reader.raw(8).readBigInt64LE();
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(`an instant of ${value}`);
  return value < 0n ? 0 : Number(value);
}
