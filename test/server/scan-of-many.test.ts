/**
 * SCAN of very many keys through one of three nodes, as redis-cli --scan does it, while clients write and delete other keys, overwrite what is there,
 * and another node is killed and started again: each key that was there throughout comes at least once. And the same without any of this, its time
 * beside that of redis-server with the same keys (in the log, not judged).
 *
 * TORC_SCAN_KEYS (default 20,000) is the number of keys; 1000000 is the long run.
 */
import test, { type ExecutionContext } from 'ava';
import { haveRedisTools, patient, redisServer, startCluster } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

const keys = Number(process.env['TORC_SCAN_KEYS'] ?? 20_000);
const countPerCall = 1000;
const perCommand = 500;
const replyTimeoutMs = 120_000;
/** Calls that fail while a node is away are repeated with the same cursor, as clients do. */
const failuresMax = 200;

interface Iteration {
  readonly seconds: number;
  readonly calls: number;
  /** Calls that were answered with an error, by its first word. */
  readonly failures: readonly string[];
  /** Of the keys that stay, those that did not come. */
  readonly missing: number;
  /** How many of them came more than once. */
  readonly repeated: number;
}

/** Keys that stay are `key:N`. A connection for itself, so that nothing waits behind the writes. */
async function iterate(port: number, during: (calls: number) => void = () => undefined): Promise<Iteration> {
  const client = await RawClient.connect(port, replyTimeoutMs);
  const begunMs = performance.now();
  const seen = new Uint8Array(keys);
  const failures: string[] = [];
  let calls = 0;
  let cursor = '0';
  do {
    const [reply = ''] = await client.ask(['SCAN', cursor, 'COUNT', String(countPerCall)]);
    const next = /^\*\[\$(\d+), /.exec(reply)?.[1];
    if (next === undefined) {
      failures.push(reply.split(' ', 1)[0] ?? '');
      if (failures.length > failuresMax) throw new Error(reply);
      continue;
    }
    for (const [, number] of reply.matchAll(/\$key:(\d+)/g)) seen[Number(number)] = Math.min(2, (seen[Number(number)] ?? 0) + 1);
    cursor = next;
    during(++calls);
  } while (cursor !== '0');
  const seconds = (performance.now() - begunMs) / 1000;
  await client.end();
  const count = (times: number): number => seen.reduce((sum, each) => sum + (each === times ? 1 : 0), 0);
  return { seconds, calls, failures, missing: count(0), repeated: count(2) };
}

async function fill(t: ExecutionContext, port: number): Promise<void> {
  const client = await RawClient.connect(port, replyTimeoutMs);
  for (let from = 0; from < keys; from += perCommand) {
    const names = Array.from({ length: Math.min(perCommand, keys - from) }, (_, i) => `key:${from + i}`);
    t.deepEqual(await client.ask(['MSET', ...names.flatMap((name) => [name, 'v'])]), ['+OK']);
  }
  await client.end();
}

/** Writes and deletes keys that come and go, and overwrites ones that stay, until it is stopped. Errors are counted: a node is away meanwhile. */
class Writer {
  written = 0;
  refused = 0;
  private stopping = false;
  private readonly over: Promise<void>;

  private constructor(private readonly client: RawClient) {
    this.over = this.run();
  }

  static async start(port: number): Promise<Writer> {
    return new Writer(await RawClient.connect(port));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.over;
    await this.client.end();
  }

  private async run(): Promise<void> {
    for (let round = 0; !this.stopping; round++) {
      const commands = Array.from({ length: 20 }, (_, i) => [
        ['SET', `coming:${round}:${i}`, 'v'],
        ['DEL', `coming:${round - 50}:${i}`],
        ['SET', `key:${(round * 7919 + i * 104_729) % keys}`, `v${round}`],
      ]).flat();
      for (const reply of await this.client.ask(...commands))
        if (reply.startsWith('-')) this.refused++;
        else this.written++;
    }
  }
}

const told = ({ seconds, calls, failures, repeated }: Iteration): string =>
  `${keys} keys in ${seconds.toFixed(1)} s, ${calls} calls, ${failures.length} answered with an error (${[...new Set(failures)].join(' ')}), ${repeated} keys more than once`;

test('every key that stays comes, while others come and go and a node is killed and started again', async (t) => {
  t.timeout(120_000 + keys);
  const torc = await startCluster({ directives: patient });
  t.teardown(() => torc.stop());
  await fill(t, torc.port);

  const quiet = await iterate(torc.port);
  t.log(`quiet: ${told(quiet)}`);
  t.is(quiet.missing, 0);
  t.deepEqual(quiet.failures, []);

  const writer = await Writer.start(torc.ports[1] ?? 0);
  let restarted: Promise<void> | undefined;
  const restart = async (): Promise<void> => {
    await torc.kill9(2);
    await torc.restart(2);
  };
  const begin = Math.floor(quiet.calls / 4);
  const busy = await iterate(torc.port, (calls) => {
    if (calls >= begin) restarted ??= restart();
  });
  await writer.stop();
  await restarted;
  t.log(`while ${writer.written} writes went on, ${writer.refused} refused, and a node was killed and came back: ${told(busy)}`);
  t.is(busy.missing, 0);
  t.true(writer.written > 0);

  const after = await iterate(torc.ports[2] ?? 0);
  t.log(`through the node that came back: ${told(after)}`);
  t.is(after.missing, 0);

  if (!haveRedisTools()) return;
  const redis = await redisServer();
  t.teardown(() => redis.stop());
  await fill(t, redis.port);
  const theirs = await iterate(redis.port);
  t.log(`redis-server: ${told(theirs)}`);
  t.is(theirs.missing, 0);
});
