/**
 * What a node says that its records take in memory (INFO torc, memoryBytes: what `cache-size` bounds) is what they take: one kind of record at a time, a few
 * hundred thousand of them, and the growth of the figure beside the growth of what the process holds once all garbage is collected: V8's heap and the
 * Buffers outside it. RocksDB's memory is in neither, nor is what the log has written; what is on its way to RocksDB is waited for. TORC_FULL=1 goes through all
 * kinds, which takes minutes; by default it is one of each way to be counted.
 */
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { WeighedServer } from '../harness/heap-figures.js';
import { startNode } from '../harness/processes.js';
import { RespConnection } from '../failure/resp-connection.js';
import { RawClient } from './raw-client.js';

/** How far the figure may be off, both ways. */
const tolerance = 0.2;
const mebibyte = 1024 * 1024;
/** Of two looks, so far apart, the second may hold as much as this of the first. */
const steady = 0.995;
const lookMs = 500;
const perCommand = 100;
const commandsAtOnce = 20;
const replyTimeoutMs = 120_000;
/** Before the first look, for what is made once: of all commands. */
const warmingShare = 0.2;

interface Kind {
  readonly what: string;
  /** Commands that add the records. */
  readonly count: number;
  readonly command: (index: number) => string[];
  /** Asked when all are there, for what is made only then. */
  readonly afterwards?: string[];
}

const each = (index: number, words: (element: number) => string[], count = perCommand): string[] =>
  Array.from({ length: count }, (_, at) => words(index * count + at)).flat();
const number = (element: number): string => String(element).padStart(8, '0');
const strings = (bytes: number, records: number): Kind => ({
  what: `${records} strings of ${bytes} bytes`,
  count: records / perCommand,
  command: (index) => ['MSET', ...each(index, (element) => [`string:${number(element)}`, 'v'.repeat(bytes)])],
});
const elements = (what: string, records: number, command: (index: number) => string[], afterwards?: string[]): Kind => ({
  what: `${what} ${records}`,
  count: records / perCommand,
  command,
  ...(afterwards === undefined ? {} : { afterwards }),
});

const kinds: readonly Kind[] = [
  strings(8, 300_000),
  strings(100, 300_000),
  strings(1000, 100_000),
  strings(5000, 20_000),
  {
    what: '100000 strings that expire',
    count: 100_000,
    command: (index) => ['SET', `timed:${number(index)}`, 'v'.repeat(20), 'EX', '100000'],
  },
  { what: '100000 counters', count: 100_000, command: (index) => ['INCR', `counter:${number(index)}`] },
  elements('a hash of', 300_000, (index) => [
    'HSET',
    'hash',
    ...each(index, (element) => [`field:${number(element)}`, `value:${number(element)}`]),
  ]),
  elements('a set of', 300_000, (index) => ['SADD', 'set', ...each(index, (element) => [`member:${number(element)}`])]),
  elements('a sorted set without its order of', 300_000, (index) => [
    'ZADD',
    'zset',
    ...each(index, (element) => [`${(element * 7919) % 300_000}`, `member:${number(element)}`]),
  ]),
  elements(
    'a sorted set with its order of',
    300_000,
    (index) => ['ZADD', 'zset', ...each(index, (element) => [`${(element * 7919) % 300_000}`, `member:${number(element)}`])],
    ['ZRANK', 'zset', 'member:00000000'],
  ),
  elements('a list of', 300_000, (index) => ['RPUSH', 'list', ...each(index, (element) => [`element:${number(element)}`])], [
    'LINDEX',
    'list',
    '1000',
  ]),
  { what: 'a stream of 200000', count: 200_000, command: (index) => ['XADD', 'stream', '*', 'field', `value:${number(index)}`] },
  {
    what: '50000 hashes of 10',
    count: 50_000,
    command: (index) => ['HSET', `hash:${number(index)}`, ...each(index, (element) => [`field:${element}`, 'value'], 10)],
  },
  { what: '50000 sets of 1', count: 50_000, command: (index) => ['SADD', `set:${number(index)}`, 'member'] },
  {
    what: '50000 sorted sets of 5',
    count: 50_000,
    command: (index) => ['ZADD', `zset:${number(index)}`, ...each(index, (element) => [String(element), `member:${element}`], 5)],
  },
  {
    what: '50000 lists of 5',
    count: 50_000,
    command: (index) => ['RPUSH', `list:${number(index)}`, ...each(index, (element) => [`element:${element}`], 5)],
  },
  { what: '50000 streams of 1', count: 50_000, command: (index) => ['XADD', `stream:${number(index)}`, '*', 'field', 'value'] },
  {
    what: '100000 fields that expire',
    count: 100_000,
    command: (index) => ['HSETEX', 'timed', 'EX', '100000', 'FIELDS', '1', `field:${number(index)}`, 'value'],
  },
];

const usual = /strings of 100 bytes|strings that expire|^a set of|with its order|^a list of|hashes of 10|sets of 1$/;

for (const kind of process.env['TORC_FULL'] === '1' ? kinds : kinds.filter(({ what }) => usual.test(what)))
  test.serial(kind.what, async (t) => {
    t.timeout(300_000);
    const group = await startNode({ 'cache-size': '4gb' });
    t.teardown(() => group.stop());
    const weighed = await WeighedServer.inPlaceOf(group, 0);
    t.teardown(() => weighed.server.stop());
    const { port } = weighed.server;
    const client = await RawClient.connect(port, replyTimeoutMs);
    const connection = await RespConnection.open(port);
    const ask = async (commands: readonly string[][]): Promise<void> => {
      const refused = (await client.ask(...commands)).filter((reply) => reply.startsWith('-'));
      t.deepEqual(refused, []);
    };
    const fill = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += commandsAtOnce)
        await ask(Array.from({ length: Math.min(commandsAtOnce, to - at) }, (_, more) => kind.command(at + more)));
    };
    /** Once what it holds no longer falls: a round of writing behind holds rows for as long as it runs. */
    const look = async (): Promise<{ readonly accounted: number; readonly held: number }> => {
      for (let last = Infinity; ;) {
        const held = (await weighed.figures()).heldBytes;
        if (held > last * steady) return { accounted: await connection.figure('torc', 'memoryBytes'), held };
        last = held;
        await setTimeout(lookMs);
      }
    };
    const warming = Math.ceil(kind.count * warmingShare);
    await fill(0, warming);
    if (kind.afterwards !== undefined) await ask([kind.afterwards]);
    const before = await look();
    await fill(warming, kind.count);
    if (kind.afterwards !== undefined) await ask([kind.afterwards]);
    const after = await look();
    const accounted = after.accounted - before.accounted;
    const held = after.held - before.held;
    const share = accounted / held;
    t.log(`${(accounted / mebibyte).toFixed(1)} MiB accounted, ${(held / mebibyte).toFixed(1)} MiB held: ${share.toFixed(3)}`);
    connection.close();
    await client.end();
    t.true(Math.abs(share - 1) <= tolerance, `${accounted} bytes are accounted, ${held} are held`);
  });
