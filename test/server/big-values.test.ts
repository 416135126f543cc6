/**
 * Values far larger than a frame on three nodes at default directives: every command that makes or reads one, through each node, while other clients go on as if
 * nothing were. TORC_BIG_MB is the size in MiB: 16 by default, 511 for the full one, where also how long the others waited is of interest (it is in the log).
 */
import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { patient, type ServerGroup, startCluster } from '../harness/processes.js';

const mebibyte = 1024 * 1024;
const size = Number(process.env['TORC_BIG_MB'] ?? 16) * mebibyte;
const clientTimeoutMs = 300_000;

const digest = (bytes: Buffer | null): string =>
  bytes === null ? 'nil' : `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`;

function connect(t: ExecutionContext, port: number): Redis {
  const client = new Redis(port, '127.0.0.1', { commandTimeout: clientTimeoutMs, maxRetriesPerRequest: 0, enableReadyCheck: false });
  client.on('error', () => undefined);
  t.teardown(() => client.disconnect());
  return client;
}

/** A client of small values on one node: it goes on until it is stopped, and remembers errors and its longest wait. */
class Bystander {
  longestMs = 0;
  readonly errors: string[] = [];
  commands = 0;
  private stopping = false;
  private readonly over: Promise<void>;

  constructor(
    private readonly client: Redis,
    private readonly name: string,
  ) {
    this.over = this.run();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.over;
  }

  private async run(): Promise<void> {
    for (let round = 0; !this.stopping; round++) {
      const key = `${this.name}:${round % 500}`;
      const value = `${round}`;
      const begunMs = performance.now();
      try {
        await this.client.set(key, value);
        const got = await this.client.get(key);
        if (got !== value) this.errors.push(`${key} is ${got}, not ${value}`);
      } catch (error) {
        this.errors.push(String(error));
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - begunMs);
      this.commands += 2;
    }
  }
}

async function useLarge(t: ExecutionContext, servers: ServerGroup): Promise<void> {
  const clients = servers.ports.map((port) => connect(t, port));
  const value = Buffer.alloc(size);
  for (let i = 0; i < size; i += 4096) value.writeUInt32LE(i, i);
  for (const [at, client] of clients.entries()) {
    const other = clients[(at + 1) % clients.length] as Redis;
    const key = `{big${at}}`;
    const log = async (what: string, run: () => Promise<void>): Promise<void> => {
      const begunMs = performance.now();
      await run();
      t.log(`${what} through node ${at + 1}: ${((performance.now() - begunMs) / 1000).toFixed(1)} s`);
    };
    await log('SET', async () => void t.is(await client.set(key, value), 'OK'));
    // Whoever answers, it is what was acknowledged: on a node that may still be getting it, too.
    await log('GET elsewhere', async () => void t.is(digest(await other.getBuffer(key)), digest(value)));
    await log('APPEND', async () => void t.is(await client.append(key, 'end'), size + 3));
    await log('STRLEN elsewhere', async () => void t.is(await other.strlen(key), size + 3));
    await log('GETRANGE', async () => void t.is(await client.getrange(key, size, -1), 'end'));
    await log('SETRANGE', async () => void t.is(await other.setrange(`${key}range`, size - 3, 'end'), size));
    await log('GET of it', async () => {
      const expected = Buffer.alloc(size);
      expected.write('end', size - 3);
      t.is(digest(await client.getBuffer(`${key}range`)), digest(expected));
    });
    await log('BITFIELD', async () => void t.deepEqual(await client.call('BITFIELD', `${key}bits`, 'SET', 'u8', 8 * size - 8, '255'), [0]));
    await log('BITCOUNT elsewhere', async () => void t.is(await other.bitcount(`${key}bits`), 8));
    await log('MSET', async () => void t.is(await client.mset(key, 'small', `${key}range`, value), 'OK'));
    await log('GET of both', async () => {
      const both = await other.mgetBuffer(key, `${key}range`);
      t.deepEqual(both.map(digest), [digest(Buffer.from('small')), digest(value)]);
    });
    await log('DEL', async () => void t.is(await client.del(key, `${key}range`, `${key}bits`), 3));
    await log('GET of none', async () => void t.is(await other.get(key), null));
  }
}

test.serial('large values at default directives, through each of three nodes; other clients see no error', async (t) => {
  t.timeout(clientTimeoutMs * 4);
  const servers = await startCluster({ directives: patient });
  t.teardown(() => servers.stop());
  const bystanders = servers.ports.map((port, at) => new Bystander(connect(t, port), `bystander${at}`));
  try {
    await useLarge(t, servers);
  } finally {
    await Promise.all(bystanders.map((bystander) => bystander.stop())); // clients that are closed would refuse them for ever, and let nothing else happen
  }
  for (const [at, { longestMs, commands, errors }] of bystanders.entries()) {
    t.log(`beside it on node ${at + 1}: ${commands} commands, the longest took ${longestMs.toFixed(0)} ms`);
    t.deepEqual(errors, []);
    t.true(commands > 0);
  }
});

test.serial('a large value is there after a kill of all nodes', async (t) => {
  t.timeout(clientTimeoutMs);
  const servers = await startCluster({ directives: patient });
  t.teardown(() => servers.stop());
  const value = Buffer.alloc(size, 'v');
  const client = connect(t, servers.port);
  t.is(await client.set('big', value), 'OK');
  t.is(await client.append('big', 'end'), size + 3);
  for (const at of servers.ports.keys()) await servers.kill9(at);
  await Promise.all(servers.ports.map((_, at) => servers.restart(at)));
  const expected = digest(Buffer.concat([value, Buffer.from('end')]));
  for (const port of servers.ports) t.is(digest(await connect(t, port).getBuffer('big')), expected);
});
