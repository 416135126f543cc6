/** Streams in RDB's bytes: a dump of redis-server 7.0.15, byte for byte, the forms before and after it, and what is refused. */
import test from 'ava';
import { FormatError } from '../../../protocol/format-error.js';
import { writeListpack } from '../../../protocol/rdb/listpack.js';
import { RdbReader } from '../../../protocol/rdb/reader.js';
import { rdbType } from '../../../protocol/rdb/types.js';
import { RdbWriter } from '../../../protocol/rdb/writer.js';
import { idOf, putId, type StreamId } from '../../../server/streams/stream-id.js';
import type { StreamContent } from '../../../server/streams/stream.js';
import { readStreamPayload, writeStreamPayload } from '../../../server/values/stream-payload.js';
import { cpuMsOf } from '../../harness/cpu-time.js';
import fc from '../../harness/properties.js';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const id = (ms: number, sequence: number): StreamId => idOf(BigInt(ms), BigInt(sequence));

function read(body: Buffer): StreamContent {
  const reader = new RdbReader(body);
  return readStreamPayload(reader.u8())(reader);
}

function written(content: StreamContent): Buffer {
  const writer = new RdbWriter();
  writeStreamPayload(writer, content);
  return writer.take();
}

/**
 * XADD s 1-1 f v g 300; XADD s 1-2 f w g 70000; XADD s 5-0 other x; XADD s 9-9 f v g -5; XDEL s 1-2; XGROUP CREATE s g 0 ENTRIESREAD 0;
 * XREADGROUP GROUP g c COUNT 2 STREAMS s >; XGROUP CREATECONSUMER s g idle; DUMP s
 */
const golden = Buffer.from(
  [
    '130110000000000000000100000000000000014056560000001f000301010102018166028167020001020100010001817602c12c0205010301000101',
    '01817702f270110104050100010401dfff020101856f74686572068178020601020108010801817602dffb020501ff03090901010102040101670500',
    '81ffffffffffffffff0200000000000000010000000000000001b3d0cf26a20100000100000000000000050000000000000000b3d0cf26a201000001',
    '020163b3d0cf26a20100000200000000000000010000000000000001000000000000000500000000000000000469646c65b3d0cf26a201000000',
  ].join(''),
  'hex',
);
const sinceMs = 1_795_947_483_315;

test('what redis-server dumps is read, deleted entries left out', (t) => {
  const { groups, ...stream } = read(golden);
  t.deepEqual(stream, {
    entries: [
      { id: id(1, 1), fields: ['f', 'v', 'g', '300'].map(bytes) },
      { id: id(5, 0), fields: ['other', 'x'].map(bytes) },
      { id: id(9, 9), fields: ['f', 'v', 'g', '-5'].map(bytes) },
    ],
    lastId: id(9, 9),
    greatestDeletedId: id(1, 2),
    entriesAdded: 4,
  });
  const [group] = groups;
  t.is(groups.length, 1);
  t.is(group?.name.toString(), 'g');
  t.is(group?.lastId, id(5, 0));
  t.is(group?.entriesRead, undefined, 'an entry was deleted ahead of it');
  t.deepEqual(
    group?.pending.map((each) => [each.id, each.consumer.toString(), each.sinceMs, each.times]),
    [
      [id(1, 1), 'c', sinceMs, 1n],
      [id(5, 0), 'c', sinceMs, 1n],
    ],
  );
  t.deepEqual(
    group?.consumers.map(({ name, seenMs }) => [name.toString(), seenMs]),
    [
      ['c', sinceMs],
      ['idle', sinceMs],
    ],
  );
});

/** One entry, 3-1, pending for `c`. */
function small(type: number, cutAt = Infinity): Buffer {
  const writer = new RdbWriter();
  const raw = Buffer.alloc(16);
  putId(raw, 0, id(3, 1));
  const twoNumbers = (x: bigint, y: bigint): void => [x, y].forEach((each) => writer.wide(each));
  writer.u8(type);
  writer.length(1);
  writer.string(raw);
  writer.string(writeListpack([1n, 0n, 1n, bytes('f'), 0n, 2n, 0n, 0n, bytes('v'), 4n]));
  writer.length(1);
  twoNumbers(4n, 0n);
  if (type !== rdbType.streamListpacks) {
    twoNumbers(3n, 1n);
    twoNumbers(0n, 0n);
    writer.length(7);
  }
  writer.length(1);
  writer.string(bytes('g'));
  twoNumbers(3n, 1n);
  if (type !== rdbType.streamListpacks) writer.wide(7n);
  writer.length(1);
  writer.raw(raw);
  writer.u64LE(1000);
  writer.length(2);
  writer.length(1);
  writer.string(bytes('c'));
  writer.u64LE(2000);
  if (type === rdbType.streamListpacks3) writer.u64LE(1500);
  writer.length(1);
  writer.raw(raw);
  return writer.take().subarray(0, cutAt);
}

test('the forms of Redis 5.0, 7.0 and 7.2 differ in what they say of counts and times', (t) => {
  const shown = (type: number) => {
    const { entries, entriesAdded, groups } = read(small(type));
    const [group] = groups;
    return [entries.length, entriesAdded, group?.entriesRead, group?.consumers[0]?.activeMs, group?.pending[0]?.times];
  };
  t.deepEqual(shown(rdbType.streamListpacks), [1, 1, undefined, 2000, 2n]);
  t.deepEqual(shown(rdbType.streamListpacks2), [1, 7, 7, 2000, 2n]);
  t.deepEqual(shown(rdbType.streamListpacks3), [1, 7, 7, 1500, 2n]);
});

test('what is cut off is refused', (t) => {
  const whole = small(rdbType.streamListpacks3);
  for (let length = 1; length < whole.length; length++)
    t.throws(() => read(whole.subarray(0, length)), { instanceOf: FormatError }, `${length} bytes`);
});

test('what was written is read', (t) => {
  const text = fc.oneof(
    fc.constantFrom('', '0', '-1', '127', '128', '-4097', '70000', '9223372036854775807', '9223372036854775808', '007').map(bytes),
    fc.uint8Array({ maxLength: 80 }).map((each) => Buffer.from(each)),
    fc.constantFrom(63, 64, 4095, 4096, 20_000).map((length) => Buffer.alloc(length, 'z')),
  );
  const number = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const entry = fc.record({ id: fc.tuple(number, number).map(([ms, sequence]) => idOf(ms, sequence)), fields: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 3 }).map((pairs) => pairs.flat()) }); // prettier-ignore
  const entries = fc
    .uniqueArray(entry, { maxLength: 250, selector: (each) => each.id })
    .map((list) => list.filter((each) => each.id > 0n).toSorted((x, y) => (x.id < y.id ? -1 : 1)));
  fc.assert(
    fc.property(entries, fc.boolean(), (list, hasGroup) => {
      const lastId = list.at(-1)?.id ?? 5n;
      const consumers = ['c', 'd'].map((each) => ({ name: bytes(each), seenMs: 3, activeMs: 3 }));
      const pending = list
        .slice(0, 5)
        .map((each, i) => ({ id: each.id, consumer: consumers[i < 3 ? 0 : 1]!.name, sinceMs: i, times: BigInt(i) }));
      const group = { name: bytes('g'), lastId, entriesRead: list.length % 2 === 0 ? undefined : 4, consumers, pending };
      const content = { entries: list, lastId, greatestDeletedId: 0n, entriesAdded: list.length + 3, groups: hasGroup ? [group] : [] };
      t.deepEqual(read(written(content)), content);
    }),
    { numRuns: 100 },
  );
});

test('what is pending of a group is gone through once, not for each consumer', (t) => {
  const [consumerCount, pendingCount] = [3000, 30_000];
  const consumers = Array.from({ length: consumerCount }, (_, i) => ({ name: bytes(`consumer ${i}`), seenMs: 1, activeMs: 1 }));
  const pending = Array.from({ length: pendingCount }, (_, i) => {
    return { id: id(1, i + 1), consumer: bytes(`consumer ${i % consumerCount}`), sinceMs: 1, times: 1n };
  });
  const lastId = id(1, pendingCount);
  const group = { name: bytes('g'), lastId, entriesRead: pendingCount, consumers, pending };
  const content: StreamContent = { lastId, greatestDeletedId: 0n, entriesAdded: pendingCount, entries: [], groups: [group] };
  let payload: Buffer = Buffer.alloc(0);
  const ms = cpuMsOf(() => (payload = written(content)));
  t.true(ms < 600, `${ms} ms`);
  const [shown] = read(payload).groups;
  t.is(shown?.pending.length, pendingCount);
  t.true(
    shown?.pending.every((each) => each.consumer.toString() === `consumer ${(Number(BigInt.asUintN(64, each.id)) - 1) % consumerCount}`),
  );
});
