/**
 * Hashes, sets, sorted sets and lists go both ways between redis-server and three nodes, by DUMP and RESTORE: in each of the encodings that Redis has for them, with members of any bytes, infinite
 * scores, a value of 1 MiB and thousands of elements. What redis-server dumped is restored at one node and looked at at another; what a node dumped is restored in redis-server; both have to show what
 * the commands made in redis-server itself. Strings, HyperLogLogs and streams have tests of their own (test/protocol/rdb/payload.test.ts, test/server/commands/).
 *
 * TORC_DUMP_RUNS (default 30) is the number of generated collections.
 */
import test from 'ava';
import { writeListpack } from '../../protocol/rdb/listpack.js';
import { openPayload, sealPayload } from '../../protocol/rdb/payload.js';
import { RdbReader } from '../../protocol/rdb/reader.js';
import { rdbType } from '../../protocol/rdb/types.js';
import { RdbWriter } from '../../protocol/rdb/writer.js';
import fc from '../harness/properties.js';
import { patient, redisServer, requireRedisTools, startCluster } from '../harness/processes.js';
import type { Words } from './generated/words.js';
import { RawClient, type Shown } from './raw-client.js';

const runs = Number(process.env['TORC_DUMP_RUNS'] ?? 30);
const replyTimeoutMs = 60_000;
const mebibyte = 1024 * 1024;
const key = Buffer.from([0x6b, 0x00, 0xff, 0x0d, 0x0a]);

/** How a value is made, and what shows all of it in an order that does not hang on the server. */
interface Collection {
  readonly make: Words;
  readonly looks: readonly Words[];
}

const hash = (...pairs: Words): Collection => ({
  make: ['HSET', key, ...pairs],
  looks: [
    ['TYPE', key],
    ['HLEN', key],
    ['HMGET', key, ...pairs.filter((_, i) => i % 2 === 0)],
  ],
});
const set = (...members: Words): Collection => ({
  make: ['SADD', key, ...members],
  looks: [
    ['TYPE', key],
    ['SCARD', key],
    ['SMISMEMBER', key, ...members, 'no member'],
  ],
});
/** `pairs`: score and member one after the other. */
const zset = (...pairs: Words): Collection => ({
  make: ['ZADD', key, ...pairs],
  looks: [
    ['TYPE', key],
    ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  ],
});
const list = (...values: Words): Collection => ({
  make: ['RPUSH', key, ...values],
  looks: [
    ['TYPE', key],
    ['LRANGE', key, '0', '-1'],
  ],
});

const times = (count: number, each: (i: number) => Words): Words => Array.from({ length: count }, (_, i) => each(i)).flat();
/** Every byte there is, and as many others behind it. */
const bytes = (i: number, length: number): Buffer => Buffer.from(Array.from({ length }, (_, at) => (i * 131 + at * 7 + (at >> 8)) & 0xff));
const odd = [Buffer.alloc(0), Buffer.of(0), Buffer.of(0xff, 0x80, 0x00), Buffer.from('\r\n$3\r\n'), Buffer.from('m\u00e9')];
const long = bytes(1, mebibyte);
const repeating = Buffer.alloc(mebibyte, 'over and over again ');

/** What Redis is told before it makes the value, its type in RDB, and how many nodes of which kind a list has at least. */
interface Sample {
  readonly what: string;
  readonly of: Collection;
  readonly type: number;
  readonly setUp?: readonly Words[];
  readonly nodesLeast?: { readonly plain?: number; readonly packed?: number };
}

const nodesOfBytes = (size: string): Words => ['DEBUG', 'QUICKLIST-PACKED-THRESHOLD', size];
const usual: readonly Words[] = [
  nodesOfBytes('1073741824b'),
  ['CONFIG', 'SET', 'rdbcompression', 'yes', 'list-compress-depth', '0', 'list-max-listpack-size', '-2'],
];
const uncompressed: readonly Words[] = [['CONFIG', 'SET', 'rdbcompression', 'no']];

const samples: readonly Sample[] = [
  { what: 'a packed hash', of: hash(...odd.flatMap((each, i) => [each, odd[(i + 1) % 5] ?? '']), 'n', '-129', 'm', '9223372036854775807'), type: rdbType.hashListpack }, // prettier-ignore
  {
    what: 'a packed hash of 512',
    of: hash(...times(512, (i) => [`f${i}`, bytes(i, i % 65)])),
    type: rdbType.hashListpack,
    setUp: uncompressed,
  },
  { what: 'a hash of 5000', of: hash(...times(5000, (i) => [bytes(i, 3 + (i % 90)).toString('latin1') + i, bytes(i, i % 200)])), type: rdbType.hash }, // prettier-ignore
  { what: 'a hash with a value of 1 MiB', of: hash('f', long, 'g', repeating, long.subarray(0, 70_000), ''), type: rdbType.hash },
  { what: 'a set of integers of 16 bits', of: set('-32768', '0', '32767', '5'), type: rdbType.setIntset },
  { what: 'a set of integers of 32 bits', of: set('-2147483648', '32768', '7', '2147483647'), type: rdbType.setIntset },
  { what: 'a set of integers of 64 bits', of: set('9223372036854775807', '-9223372036854775808', '2147483648', '-1'), type: rdbType.setIntset }, // prettier-ignore
  { what: 'a set of 512 integers', of: set(...times(512, (i) => [`${i * 77 - 20_000}`])), type: rdbType.setIntset, setUp: uncompressed },
  { what: 'a set of 5000 integers', of: set(...times(5000, (i) => [`${i * 7919 - 1_000_000}`])), type: rdbType.set },
  { what: 'a set of 3000 members', of: set(...odd, ...times(3000, (i) => [Buffer.concat([bytes(i, i % 300), Buffer.from(`${i}`)])])), type: rdbType.set }, // prettier-ignore
  { what: 'a set with a member of 1 MiB', of: set(long, repeating, '1'), type: rdbType.set },
  { what: 'a packed sorted set', of: zset('inf', 'most', '-inf', Buffer.of(0, 0xff), '1.5', '', '-7', '\r\n', '5e-324', 'least', '1.7976931348623157e308', 'large', '0.1', 'm\u00e9', '9007199254740993', 'n', '3', '3'), type: rdbType.zsetListpack }, // prettier-ignore
  { what: 'a packed sorted set of 128', of: zset(...times(128, (i) => [`${(i % 9) / 3}`, Buffer.concat([bytes(i, i % 60), Buffer.from(`${i}`)])])), type: rdbType.zsetListpack, setUp: uncompressed }, // prettier-ignore
  { what: 'a sorted set of 5000', of: zset('inf', 'most', '-inf', 'least', ...times(5000, (i) => [`${((i * 7919) % 5003) / 7}`, Buffer.concat([bytes(i, i % 80), Buffer.from(`${i}`)])])), type: rdbType.zset2 }, // prettier-ignore
  { what: 'a sorted set with a member of 1 MiB', of: zset('inf', long, '-inf', repeating, '1e-7', ''), type: rdbType.zset2 },
  { what: 'a list of one node', of: list(...odd, '-1', '127', '128', '-4097', '40000', '-8388609', '2147483648', '9223372036854775807', bytes(1, 63), bytes(2, 64), bytes(3, 4095)), type: rdbType.listQuicklist2, nodesLeast: { packed: 1 } }, // prettier-ignore
  { what: 'a list of many nodes', of: list(...times(5000, (i) => [bytes(i, i % 100), `${i * 7919}`])), type: rdbType.listQuicklist2, nodesLeast: { packed: 30 } }, // prettier-ignore
  { what: 'a list of many nodes that are kept compressed', of: list(...times(3000, (i) => [`value ${i % 10}`.repeat(5)])), type: rdbType.listQuicklist2, setUp: [['CONFIG', 'SET', 'list-compress-depth', '1']], nodesLeast: { packed: 10 } }, // prettier-ignore
  { what: 'a list of a node for each three', of: list(...times(1000, (i) => [bytes(i, i % 300)])), type: rdbType.listQuicklist2, setUp: [...uncompressed, ['CONFIG', 'SET', 'list-max-listpack-size', '3']], nodesLeast: { packed: 300 } }, // prettier-ignore
  { what: 'a list of values of 1 MiB and small ones', of: list('a', long, '', repeating, 'b', long), type: rdbType.listQuicklist2, nodesLeast: { packed: 4 } }, // prettier-ignore
  { what: 'a list of plain nodes and packed ones', of: list('a', 'b', bytes(1, 200), '', bytes(2, 5000), long, 'c', repeating), type: rdbType.listQuicklist2, setUp: [nodesOfBytes('150b')], nodesLeast: { plain: 4, packed: 2 } }, // prettier-ignore
];

const payloadOf = (shown: Shown): Buffer => Buffer.from(shown.slice(1), 'latin1');

/** Its RDB type, and its nodes where it is a list. */
function anatomyOf(payload: Buffer): { readonly type: number; readonly plain: number; readonly packed: number } {
  const reader = new RdbReader(openPayload(payload) ?? Buffer.alloc(0));
  const type = reader.u8();
  const nodes = { plain: 0, packed: 0 };
  for (let left = type === rdbType.listQuicklist2 ? reader.length() : 0; left > 0; left--) {
    nodes[reader.length() === 1 ? 'plain' : 'packed']++;
    reader.string();
  }
  return { type, ...nodes };
}

const brief = (shown: readonly Shown[]): string => shown.map((each) => `${each.length}: ${each.slice(0, 300)}`).join('; ');

class Exchange {
  private turn = 0;

  constructor(
    private readonly nodes: readonly RawClient[],
    private readonly redis: RawClient,
  ) {}

  /** Returns what redis-server dumped. */
  async bothWays({ make, looks }: Collection, setUp: readonly Words[] = []): Promise<Buffer> {
    const replies = await this.redis.ask(...usual, ...setUp, ['DEL', key], make, ['DUMP', key], ...looks);
    const dumped = payloadOf(replies.at(-1 - looks.length) ?? '');
    const expected = replies.slice(-looks.length);
    await this.restored('redis-server to Torc', dumped, looks, expected);

    const [, made, ours = ''] = await this.node().ask(['DEL', key], make, ['DUMP', key]);
    if (made?.startsWith(':') !== true) throw new Error(`${made} to ${String(make[0])}`);
    const [restored, ...theirs] = await this.redis.ask(['RESTORE', key, '0', payloadOf(ours), 'REPLACE'], ...looks);
    if (restored !== '+OK') throw new Error(`redis-server does not take a dump of Torc: ${restored}`);
    this.judge('Torc to redis-server', theirs, expected);
    await this.restored('Torc to Torc', payloadOf(ours), looks, expected);
    return dumped;
  }

  /** In Torc, at one node, and looked at at another. */
  async restored(what: string, payload: Buffer, looks: readonly Words[], expected: readonly Shown[]): Promise<void> {
    const [restored] = await this.node().ask(['RESTORE', key, '0', payload, 'REPLACE']);
    if (restored !== '+OK') throw new Error(`${what}: ${restored}`);
    this.judge(what, await this.node().ask(...looks), expected);
  }

  private node(): RawClient {
    return this.nodes[this.turn++ % this.nodes.length] as RawClient;
  }

  private judge(what: string, ours: readonly Shown[], expected: readonly Shown[]): void {
    if (ours.some((each, i) => each !== expected[i])) throw new Error(`${what}: ${brief(ours)} and not ${brief(expected)}`);
  }
}

const element = fc.oneof(
  fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array)),
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.constantFrom(...odd),
  fc.tuple(fc.string({ unit: 'binary', minLength: 1, maxLength: 9 }), fc.nat(60)).map(([unit, n]) => unit.repeat(n)),
);
const score = fc.oneof(fc.constantFrom('inf', '-inf', '0', '1', '-1'), fc.double({ noNaN: true }).map(String), fc.integer().map(String));
const some = <T>(each: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.oneof(fc.array(each, { minLength: 1, maxLength: 10 }), fc.array(each, { minLength: 100, maxLength: 600, size: 'max' }));
const collection = fc.oneof(
  some(fc.tuple(element, element)).map((pairs) => hash(...pairs.flat())),
  some(element).map((members) => set(...members)),
  some(fc.integer({ min: -1000, max: 1000 })).map((members) => set(...members.map(String))),
  some(fc.tuple(score, element)).map((pairs) => zset(...pairs.flat())),
  some(element).map((values) => list(...values)),
);

test('collections go both ways between redis-server and three nodes, in every encoding', async (t) => {
  if (!requireRedisTools(t)) return;
  t.timeout(240_000 + runs * 2000);
  const [torc, server] = await Promise.all([
    startCluster({ directives: patient }),
    redisServer({ directives: { 'enable-debug-command': 'yes' } }),
  ]);
  t.teardown(() => Promise.all([torc.stop(), server.stop()]));
  const nodes = await Promise.all(torc.ports.map((port) => RawClient.connect(port, replyTimeoutMs)));
  const redis = await RawClient.connect(server.port, replyTimeoutMs);
  const exchange = new Exchange(nodes, redis);
  for (const { what, of, type, setUp, nodesLeast = {} } of samples) {
    const dumped = await exchange.bothWays(of, setUp).catch((error: unknown) => Promise.reject(new Error(`${what}: ${String(error)}`)));
    const { plain, packed, ...rest } = anatomyOf(dumped);
    t.is(rest.type, type, what);
    t.true(plain >= (nodesLeast.plain ?? 0) && packed >= (nodesLeast.packed ?? 0), `${what}: ${plain} plain nodes, ${packed} packed ones`);
  }

  // What only Redis 7.2 and later makes of a small set.
  const members = [...odd, Buffer.from('-5'), Buffer.from('4000000000')];
  const writer = new RdbWriter();
  writer.u8(rdbType.setListpack);
  writer.string(writeListpack(members));
  const { looks } = set(...members);
  const expected = ['+set', `:${members.length}`, `*[${members.map(() => ':1').join(', ')}, :0]`];
  await exchange.restored("Redis 7.2's packed set", sealPayload(writer.take()), looks, expected);

  await fc.assert(
    fc.asyncProperty(collection, async (each) => void (await exchange.bothWays(each))),
    { numRuns: runs, includeErrorInReport: true },
  );
  await Promise.all([...nodes, redis].map((client) => client.end()));
});
