/**
 * One element of a very large hash, set or sorted set that the disk of one node lost, and one that it changed, while the node was stopped: TORC REPAIR FULL
 * finds both among all the others and moves the two, and the digests of what shares a leaf with them, not the collection. TORC_FULL=1 runs it with 1,000,000
 * elements (run-size.ts).
 */
import { join } from 'node:path';
import test from 'ava';
import { decodeRecord, encodeRecord } from '../../protocol/record.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { recordType } from '../../protocol/record-key.js';
import { slotOf } from '../../protocol/slot.js';
import { RocksdbEngine } from '../../storage/rocksdb-engine.js';
import { elementRow } from '../../storage/rows.js';
import { encodeScore } from '../../storage/score-value.js';
import { startCluster } from '../harness/processes.js';
import { stoppedAtEnd } from './judging.js';
import { figures, repaired, sum } from './repairing.js';
import { RespConnection } from './resp-connection.js';
import { sized } from './run-size.js';

const elements = sized(100_000, 1_000_000);
const [lost, changed, untouched] = [123, 45_678, 7];
const perCommand = 500;
/** What a repair may send, all nodes together, for each byte of elements and values that the collection has. */
const bytesMost = 0.02;
/** Millions of elements that RocksDB does not have yet take a slow disk a while. */
const stopSeconds = sized(30, 240);
const broken = 2;

const name = (index: number): string => `element:${String(index).padStart(8, '0')}:${'e'.repeat(24)}`;
const words = (first: number, of: (index: number) => string[]): string[] =>
  Array.from({ length: perCommand }, (_, at) => of(first + at)).flat();

interface Kind {
  readonly key: string;
  readonly type: number;
  /** Element and value. */
  readonly elementBytes: number;
  readonly add: (first: number) => string[];
  readonly read: (index: number) => string[];
  readonly shown: (index: number) => string;
  /** What a disk makes of a value, and how that is shown; undefined = elements have none. */
  readonly rotten: { readonly bytes: Buffer; readonly shown: string } | undefined;
  readonly count: string;
}

const kinds: readonly Kind[] = [
  {
    key: 'repaired:hash',
    type: recordType.hash,
    elementBytes: name(0).length + 16,
    add: (first) => ['HSET', 'repaired:hash', ...words(first, (index) => [name(index), String(index).padStart(16, '0')])],
    read: (index) => ['HGET', 'repaired:hash', name(index)],
    shown: (index) => String(index).padStart(16, '0'),
    rotten: { bytes: Buffer.from('rotten'), shown: 'rotten' },
    count: 'HLEN',
  },
  {
    key: 'repaired:set',
    type: recordType.set,
    elementBytes: name(0).length,
    add: (first) => ['SADD', 'repaired:set', ...words(first, (index) => [name(index)])],
    read: (index) => ['SISMEMBER', 'repaired:set', name(index)],
    shown: () => '1',
    rotten: undefined,
    count: 'SCARD',
  },
  {
    key: 'repaired:zset',
    type: recordType.zset,
    elementBytes: name(0).length + 8,
    add: (first) => ['ZADD', 'repaired:zset', ...words(first, (index) => [String(index), name(index)])],
    read: (index) => ['ZSCORE', 'repaired:zset', name(index)],
    shown: String,
    rotten: { bytes: encodeScore(-1), shown: '-1' },
    count: 'ZCARD',
  },
];

/** What a disk may do to a node that does not run. */
async function plant(directory: string, { key, type, rotten }: Kind): Promise<void> {
  const slot = slotOf(Buffer.from(key));
  const rowOf = (index: number): Buffer => elementRow(slot, Buffer.from(key), type, Buffer.from(name(index)));
  const engine = await RocksdbEngine.open(join(directory, 'rocksdb'));
  const [row, other] = await engine.getMany([rowOf(changed), rowOf(lost)]);
  if (row === undefined || other === undefined) throw new Error(`elements of ${key} are not on disk`);
  const puts: [Buffer, Buffer][] = [];
  if (rotten !== undefined) {
    const { context, versions } = decodeRecord(row);
    const writer = new ByteWriter();
    encodeRecord(writer, {
      context,
      versions: versions.map((version) => ('bytes' in version ? { ...version, bytes: rotten.bytes } : version)),
    });
    puts.push([rowOf(changed), writer.take()]);
  }
  await engine.write({ puts, deletes: [rowOf(lost)] }, { sync: true });
  await engine.close();
}

test(`one element lost and one changed of ${elements} on the disk of one node`, async (t) => {
  t.timeout(sized(600_000, 3_600_000));
  const cluster = await startCluster({ directives: { 'shutdown-timeout': String(stopSeconds), 'peer-timeout': '20000' } });
  stoppedAtEnd(t, cluster);
  const connection = await RespConnection.open(cluster.port);
  for (const { add } of kinds) {
    const commands = Array.from({ length: elements / perCommand }, (_, at) => add(at * perCommand));
    for (let at = 0; at < commands.length; at += 10) {
      const replies = await connection.all(commands.slice(at, at + 10));
      t.deepEqual(new Set(replies.map(({ text }) => text)), new Set([String(perCommand)]));
    }
  }
  for (const kind of kinds) {
    const { key, rotten, read, shown, count, elementBytes } = kind;
    const seen = async (): Promise<string[]> => {
      const alone = await RespConnection.alone(cluster.server(broken).port);
      const replies = await alone.all([lost, changed, untouched].map(read));
      alone.close();
      return replies.map((reply) => (reply.kind === 'null' ? 'none' : reply.text));
    };
    t.is(await cluster.server(broken).stop(2_000 * stopSeconds), 'exit code 0');
    await plant(join(cluster.dir, 'node3'), kind);
    await cluster.restart(broken);
    t.deepEqual(await seen(), [key === 'repaired:set' ? '0' : 'none', rotten?.shown ?? shown(changed), shown(untouched)], key);

    const before = await Promise.all(['repair_bytes_sent', 'repair_records_sent'].map((figure) => figures(cluster, figure)));
    const { tookMs } = await repaired(connection, 'FULL');
    const after = await Promise.all(['repair_bytes_sent', 'repair_records_sent'].map((figure) => figures(cluster, figure)));
    const [bytes = NaN, records = NaN] = after.map((each, at) => sum(each) - sum(before[at] ?? []));
    t.deepEqual(await seen(), [lost, changed, untouched].map(shown), key);
    // The node has begun anew: its figures are of this repair.
    t.deepEqual((await figures(cluster, 'repair_records_taken'))[broken], 1, key);
    t.deepEqual((await figures(cluster, 'repair_payloads_replaced'))[broken], rotten === undefined ? 0 : 1, key);
    const alone = await RespConnection.alone(cluster.server(broken).port);
    t.is((await alone.ask(count, key)).text, String(elements), `${count} ${key} at the node that had lost one`);
    alone.close();
    const whole = elements * elementBytes;
    t.log(
      `${key}, ${elements} elements, ${whole} bytes: ${bytes} bytes and ${records} records sent, ${((100 * bytes) / whole).toFixed(2)} % of it, in ${Math.round(tookMs)} ms`,
    );
    t.true(records >= 1 && records <= 8, `${key}: ${records} records sent`);
    t.true(bytes > 0 && bytes < bytesMost * whole, `${key}: ${bytes} of ${whole} bytes sent`);
  }
  connection.close();
});
