/**
 * Clients that send what they should not, or do not take what they asked for, against three nodes as processes. Each is told clearly or cut off;
 * a well-behaved client beside it keeps getting right answers in time, and no process grows beyond a bound.
 *
 * TORC_HALF_OPEN (default 1000) is how many connections are held half open at once.
 */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { type ServerGroup, startCluster, startNode } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { ProbeClient } from './probe-client.js';
import { encodeCommand, RawClient } from './raw-client.js';

const halfOpen = Number(process.env['TORC_HALF_OPEN'] ?? 1000);

/** No answer to the well-behaved client may take longer, on a busy machine. */
const probeMsMax = 5000;
const megabyte = 1024 * 1024;

let servers: ServerGroup;
test.before(async () => {
  // The deadline of a pipeline's last command runs from its arrival; what takes how long is not what is judged here.
  servers = await startCluster({ directives: { 'client-output-buffer-limit': 'normal 16mb 0 0', 'peer-timeout': '10000' } });
});
test.after.always(async () => servers?.stop());

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Resident bytes of a process. */
function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Runs `misbehave` beside a probe of the same node and one of another. */
async function besideProbes(t: ExecutionContext, misbehave: (port: number) => Promise<void>): Promise<void> {
  const probes = [await ProbeClient.start(servers.port), await ProbeClient.start(servers.ports[1] ?? 0)];
  await Promise.all(probes.map((probe) => probe.served(5)));
  await misbehave(servers.port);
  await Promise.all(probes.map((probe) => probe.served(5)));
  for (const probe of probes) {
    await probe.stop();
    t.true(probe.slowestMs < probeMsMax, `the probe waited ${Math.round(probe.slowestMs)} ms`);
  }
  t.log(`slowest probe ${Math.round(Math.max(...probes.map((probe) => probe.slowestMs)))} ms`);
  t.is(servers.pids.length, 3);
}

const protocolErrors: readonly (readonly [bytes: string, reply: string])[] = [
  ['*1048577\r\n', 'invalid multibulk length'],
  ['*99999999999999999999\r\n', 'invalid multibulk length'],
  ['*two\r\n', 'invalid multibulk length'],
  ['*1\r\n$536870913\r\n', 'invalid bulk length'],
  ['*1\r\n$-1\r\n', 'invalid bulk length'],
  ['*1\r\n$-5\r\n', 'invalid bulk length'],
  ['*1\r\n$four\r\n', 'invalid bulk length'],
  ['*1\r\n$9999999999999999999999\r\n', 'invalid bulk length'],
  ['*1\r\n:1\r\n', "expected '$', got ':'"],
  ['*2\r\n$3\r\nGET\r\n+k\r\n', "expected '$', got '+'"],
  ['GET "unbalanced\r\n', 'unbalanced quotes in request'],
  [`${'x'.repeat(70_000)}`, 'too big inline request'],
  [`*${'1'.repeat(70_000)}`, 'too big mbulk count string'],
  [`*1\r\n$${'1'.repeat(70_000)}`, 'too big bulk count string'],
];

test.serial('lengths that cannot be: a protocol error, after the replies before it, and the connection is closed', (t) =>
  besideProbes(t, async (port) => {
    for (const [bytes, text] of protocolErrors) {
      const client = await RawClient.connect(port);
      client.write(Buffer.concat([encodeCommand(['SET', 'before', 'x']), encodeCommand(['GET', 'before']), Buffer.from(bytes)]));
      const shown = [await client.reply(), await client.reply(), await client.reply()];
      t.deepEqual(shown, ['+OK', '$x', `-ERR Protocol error: ${text}`], bytes.slice(0, 40));
      await client.closed;
      await t.throwsAsync(client.reply());
    }
  }),
);

test.serial('rubbish is answered as commands that do not exist, or refused', (t) =>
  besideProbes(t, async (port) => {
    for (const bytes of [
      Buffer.alloc(100_000, 0xff),
      Buffer.from('\u0001\u0002\u0000\r\n'),
      Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\n', 'latin1'),
    ]) {
      const client = await RawClient.connect(port);
      client.write(bytes);
      client.write('\r\n');
      t.regex(await client.reply(), /^-ERR (unknown command|Protocol error)/);
      await client.end();
    }
    const http = await RawClient.connect(port);
    http.write('POST / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    t.regex(await http.reply(), /^-ERR unknown command 'POST'/);
    await http.end();
    const empty = await RawClient.connect(port);
    empty.write('\r\n\r\n\u0000\r\n*0\r\n*-1\r\n\r\nPING\r\n');
    t.is(await empty.reply(), '+PONG');
    await empty.end();
  }),
);

test.serial('the header of a bulk of 512 MB and then silence costs no memory', (t) =>
  besideProbes(t, async (port) => {
    const before = residentBytes(servers.pids[0] ?? 0);
    const clients = await Promise.all(Array.from({ length: 50 }, () => RawClient.connect(port)));
    for (const client of clients) client.write('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nxx');
    const last = await RawClient.connect(port);
    t.deepEqual(await last.ask(['PING']), ['+PONG']);
    const grown = residentBytes(servers.pids[0] ?? 0) - before;
    t.true(grown < 128 * megabyte, `${Math.round(grown / megabyte)} MB more`);
    for (const client of [last, ...clients]) await client.end();
  }),
);

test.serial('a megabyte of tiny commands in one write is answered, all of it and in order', (t) =>
  besideProbes(t, async (port) => {
    const client = await RawClient.connect(port);
    const count = Math.ceil(megabyte / encodeCommand(['ECHO', '10000']).length);
    const commands = Array.from({ length: count }, (_, i) => ['ECHO', `${i}`]);
    t.deepEqual(
      await client.ask(...commands),
      commands.map(([, text]) => `$${text}`),
    );
    const increments = Array.from({ length: 1000 }, () => ['INCR', 'tiny']);
    const mixed = await client.ask(
      ...increments.flatMap((increment, i) => [increment, ['SET', `tiny:${i % 200}`, `${i}`], ['GET', `tiny:${i % 200}`]]),
    );
    const expected = increments.flatMap((_, i) => [`:${i + 1}`, '+OK', `$${i}`]);
    const wrong = mixed.findIndex((shown, i) => shown !== expected[i]);
    t.is(wrong, -1, `reply ${wrong} is ${mixed[wrong]}`);
    client.write('PING\r\n'.repeat(10_000));
    for (let i = 0; i < 10_000; i++) if ((await client.reply()) !== '+PONG') t.fail(`inline ping ${i}`);
    await client.end();
  }),
);

test.serial(
  'a client that takes none of 128 MB of replies, asked for at once, is closed at client-output-buffer-limit; memory stays bounded',
  (t) =>
    besideProbes(t, async (port) => {
      const writer = await RawClient.connect(port);
      t.deepEqual(await writer.ask(['SET', 'big', 'x'.repeat(megabyte)]), ['+OK']);
      const before = servers.pids.map(residentBytes);
      const slow = await RawClient.connect(port);
      slow.socket.pause();
      slow.write(Buffer.concat(Array.from({ length: 128 }, () => encodeCommand(['GET', 'big']))));
      let most = 0;
      for (;;) {
        const [info = ''] = await writer.ask(['INFO', 'stats']);
        most = Math.max(most, ...servers.pids.map((pid, at) => residentBytes(pid) - (before[at] ?? 0)));
        if (info.includes('client_output_buffer_limit_disconnections:1\r')) break;
      }
      t.log(`${Math.round(most / megabyte)} MB more at most`);
      t.true(most < 450 * megabyte, `${Math.round(most / megabyte)} MB more`);
      slow.socket.resume();
      await slow.closed;
      t.true(slow.bytesReceived < 128 * megabyte);
      t.true(servers.server(0).output.includes('closed at client-output-buffer-limit'));
      await writer.end();
    }),
);

test.serial('a client that asks on without taking replies is not read on until it does', async (t) => {
  const node = await startNode();
  t.teardown(() => node.stop());
  const { port } = node;
  const watcher = await RawClient.connect(port);
  t.deepEqual(await watcher.ask(['SET', 'big', 'y'.repeat(megabyte)]), ['+OK']);
  const slow = await RawClient.connect(port);
  t.deepEqual(await slow.ask(['CLIENT', 'SETNAME', 'slow']), ['+OK']);
  slow.socket.pause();
  // The watcher's own GET takes as long as the slow client's, so at most a few are under way when the server stops reading.
  let most = 0;
  for (let i = 0; i < 60; i++) {
    slow.write(encodeCommand(['GET', 'big']));
    const [, list = ''] = await watcher.ask(['GET', 'big'], ['CLIENT', 'LIST']);
    const line = list.split('\n').find((one) => one.includes(' name=slow ')) ?? '';
    most = Math.max(most, Number(/ omem=(\d+)/.exec(line)?.[1] ?? Number.NaN));
  }
  t.log(`${Math.round(most / megabyte)} MB were held for it`);
  t.true(most > megabyte && most < 12 * megabyte, `${most}`);
  slow.socket.resume();
  for (let i = 0; i < 60; i++) t.is((await slow.reply()).length, megabyte + 1);
  await slow.end();
  await watcher.end();
});

test.serial(`${halfOpen} connections with half a command each, and many that say nothing`, (t) =>
  besideProbes(t, async (port) => {
    const clients: RawClient[] = [];
    for (let i = 0; i < halfOpen; i++) {
      const client = await RawClient.connect(port);
      if (i % 4 > 0) client.write(['', '*2\r\n$3\r\nGE', 'PIN', '*1\r\n$4\r\nPING\r'][i % 4] ?? '');
      clients.push(client);
    }
    // A connection is open for its client before the server has taken it.
    for (let taken = 0; taken < halfOpen;) {
      const [info = ''] = (await clients[0]?.ask(['INFO', 'clients'])) ?? [];
      taken = Number(/connected_clients:(\d+)/.exec(info)?.[1]);
    }
    // The last of each kind finishes its sentence.
    const finish = ['', 'T\r\n$1\r\nk\r\n', 'G\r\n', '\n'];
    for (const client of clients.slice(-4)) {
      const kind = clients.indexOf(client) % 4;
      if (kind === 0) continue;
      client.write(finish[kind] ?? '');
      t.is(await client.reply(), kind === 1 ? 'nil' : '+PONG');
    }
    await Promise.all(clients.map((client) => client.end()));
  }),
);

test.serial('QUIT in the middle of a pipeline: the replies before it and its own, nothing after', (t) =>
  besideProbes(t, async (port) => {
    const client = await RawClient.connect(port);
    client.write(Buffer.concat([['SET', 'q', '1'], ['INCR', 'q'], ['QUIT'], ['INCR', 'q'], ['GET', 'q']].map(encodeCommand)));
    t.deepEqual([await client.reply(), await client.reply(), await client.reply()], ['+OK', ':2', '+OK']);
    await client.closed;
    await t.throwsAsync(client.reply());
    const next = await RawClient.connect(port);
    t.deepEqual(await next.ask(['GET', 'q']), ['$2']);
    await next.end();
  }),
);

test.serial('a client that ends its side after what it asked gets the replies, and then the end', (t) =>
  besideProbes(t, async (port) => {
    for (const last of [['PING'], ['GET', 'half'], ['MSET', 'half', '1', 'other', '2'], ['KEYS', 'hal*'], ['ECHO', 'x'.repeat(100_000)]]) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.end(Buffer.concat([['SET', 'half', '0'], ...Array.from({ length: 3000 }, () => ['INCR', 'half']), last].map(encodeCommand)));
      await closed;
      const said = Buffer.concat(chunks).toString('latin1');
      t.true(said.includes(':3000\r\n'), `${last[0]}: ${said.slice(0, 100)}`);
      const expected = {
        PING: '+PONG',
        GET: '$4\r\n3000',
        MSET: '+OK',
        KEYS: '*1\r\n$4\r\nhalf',
        ECHO: `$100000\r\n${'x'.repeat(100_000)}`,
      }[last[0] ?? ''];
      t.true(said.endsWith(`:3000\r\n${expected}\r\n`), `${last[0]}: ${said.slice(-100)}`);
    }
  }),
);

test.serial('clients that end their side while they block, or never end it after QUIT, do not stay', async (t) => {
  const node = await startNode();
  t.teardown(() => node.stop());
  const pid = node.pids[0] ?? 0;
  const descriptors = descriptorsOf(pid);
  const sockets = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const socket = connect({ port: node.port, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => socket.destroy());
      socket.write(encodeCommand(['PING']));
      await once(socket, 'data');
      socket.resume();
      if (i % 3 === 0) socket.write(encodeCommand(['QUIT']));
      else if (i % 3 === 1) socket.end(encodeCommand(['WAIT', '1', '0']));
      else
        socket.write(
          Buffer.concat(
            [
              ['WAIT', '1', '0'],
              ['GET', 'k'],
            ].map(encodeCommand),
          ),
        );
      return socket;
    }),
  );
  await until(() => descriptorsOf(pid) === descriptors + 20, 'those who block are there, and nobody else');
  for (const socket of sockets) if (!socket.writableEnded) socket.end();
  await until(() => descriptorsOf(pid) <= descriptors, 'all have gone');
  for (const socket of sockets) socket.destroy();
  t.pass();
});

test.serial('what waits behind a command that holds it is run to its end, though its client has ended its side', async (t) => {
  const node = await startNode();
  t.teardown(() => node.stop());
  const commands = [['FLUSHALL'], ['SET', 'a', '1'], ['SET', 'b', '2'], ['GET', 'a'], ['GET', 'b']];
  for (let round = 0; round < 5; round++) {
    const socket = connect({ port: node.port, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.end(Buffer.concat(commands.map(encodeCommand)));
    await closed;
    t.is(Buffer.concat(chunks).toString('latin1'), '+OK\r\n+OK\r\n+OK\r\n$1\r\n1\r\n$1\r\n2\r\n');
  }
});

test.serial('clients that go away while they block, after long commands that took several turns, are noticed', async (t) => {
  const node = await startNode();
  t.teardown(() => node.stop());
  const pid = node.pids[0] ?? 0;
  const descriptors = descriptorsOf(pid);
  const probe = await RawClient.connect(node.port);
  const members = Array.from({ length: 600 }, (_, i) => `m${i}`);
  const pipeline = Buffer.concat(
    [...Array.from({ length: 5 }, () => ['SADD', 'rested', ...members]), ['WAIT', '1', '0'], ['PING']].map(encodeCommand),
  );
  const sockets = Array.from({ length: 20 }, () => {
    const socket = connect({ port: node.port, host: '127.0.0.1' });
    socket.on('error', () => socket.destroy());
    socket.resume();
    socket.write(pipeline);
    return socket;
  });
  const blocked = async (): Promise<number> => Number(/blocked_clients:(\d+)/.exec((await probe.ask(['INFO', 'clients']))[0] ?? '')?.[1]);
  await until(async () => (await blocked()) === sockets.length, 'all block');
  for (const [i, socket] of sockets.entries()) {
    if (i % 2 === 0) socket.destroy();
    else socket.end();
  }
  await probe.end();
  await until(() => descriptorsOf(pid) <= descriptors, 'all have gone');
  t.pass();
});

test.serial('clients that want no replies and end their side after what they asked do not stay', async (t) => {
  const probe = await RawClient.connect(servers.port);
  const connected = async (): Promise<number> =>
    Number(/connected_clients:(\d+)/.exec((await probe.ask(['INFO', 'clients']))[0] ?? '')?.[1]);
  const before = await connected();
  const silent = Buffer.concat(
    [['CLIENT', 'REPLY', 'OFF'], ...Array.from({ length: 200 }, (_, i) => ['SET', `silent:${i}`, 'v'])].map(encodeCommand),
  );
  const ends = [silent, Buffer.concat([silent, encodeCommand(['QUIT'])]), Buffer.concat([silent, Buffer.from('*1\r\n+\r\n')])];
  const sockets = Array.from({ length: 30 }, (_, i) => {
    const socket = connect({ port: servers.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => socket.destroy());
    socket.resume();
    if (i % 3 === 0) socket.end(silent);
    else socket.write(ends[i % 3] as Buffer);
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, 'end')));
  await until(async () => (await connected()) === before, 'all have gone');
  t.deepEqual(await probe.ask(['GET', 'silent:199']), ['$v']);
  for (const socket of sockets) socket.destroy();
  await probe.end();
});

test.serial('clients that vanish in the middle of what they asked', (t) =>
  besideProbes(t, async (port) => {
    for (let i = 0; i < 50; i++) {
      const client = await RawClient.connect(port);
      client.write(Buffer.concat(Array.from({ length: 50 }, (_, n) => encodeCommand(['SET', `gone:${n}`, 'x'.repeat(1000)]))));
      client.socket.resetAndDestroy();
      await client.closed;
    }
  }),
);

test.serial('more clients than maxclients: each too many is told so and closed, those inside stay', async (t) => {
  const node = await startNode({ maxclients: '20' });
  t.teardown(() => node.stop());
  const inside = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(node.port)));
  for (const client of inside) t.deepEqual(await client.ask(['PING']), ['+PONG']);
  const descriptors = descriptorsOf(node.pids[0] ?? 0);
  for (let i = 0; i < 20; i++) {
    const outside = await RawClient.connect(node.port);
    t.is(await outside.reply(), '-ERR max number of clients reached');
    await outside.closed;
  }
  await until(() => descriptorsOf(node.pids[0] ?? 0) <= descriptors, 'nothing is kept of those refused');
  t.deepEqual(await inside[0]?.ask(['SET', 'k', 'v']), ['+OK']);
  await inside[1]?.end();
  await until(async () => (await inside[0]?.ask(['INFO', 'clients']))?.[0]?.includes('connected_clients:19') === true, 'one has left');
  const late = await RawClient.connect(node.port);
  t.deepEqual(await late.ask(['GET', 'k']), ['$v']);
  for (const client of [late, ...inside]) await client.end();
});

test.serial(
  'a client whose unfinished command outgrows client-query-buffer-limit is cut off, memory stays bounded and others are served',
  async (t) => {
    const limit = 2 * megabyte;
    const node = await startNode({ 'client-query-buffer-limit': '2mb' });
    t.teardown(() => node.stop());
    const probe = await ProbeClient.start(node.port);
    await probe.served(5);
    const before = residentBytes(node.pids[0] ?? 0);
    const chunk = Buffer.alloc(megabyte / 4, 'x');
    /** Sends until it is cut off, 64 MB at most. */
    const pour = async (begin: string, unit: Buffer): Promise<{ readonly sent: number; readonly said: string }> => {
      const client = await RawClient.connect(node.port);
      const { socket } = client;
      const said = client.reply().catch(() => 'nothing');
      client.write(begin);
      let sent = 0;
      for (; sent < 64 * megabyte && !socket.destroyed; sent += unit.length)
        if (!socket.write(unit)) await Promise.race([client.closed, new Promise((resolve) => socket.once('drain', resolve))]);
      await client.end();
      return { sent, said: await said };
    };
    const small = Buffer.concat(
      Array.from({ length: 4096 }, (_, i) => Buffer.from(`$${String(i).length + 60}\r\n${i}${'y'.repeat(60)}\r\n`)),
    );
    // One argument that is too long, many that are small, some in between, and as many clients of each as would together take more than they may.
    const ways = [
      ['*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$268435456\r\n', chunk],
      ['*1000000\r\n$4\r\nMSET\r\n', small],
      ['*1000\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n', Buffer.concat([Buffer.from(`$${chunk.length}\r\n`), chunk, Buffer.from('\r\n')])],
    ] as const;
    const ended = await Promise.all(ways.flatMap(([begin, unit]) => Array.from({ length: 8 }, () => pour(begin, unit))));
    for (const { sent, said } of ended) {
      t.true(sent > limit && sent < 64 * megabyte, `${sent} bytes were taken`);
      // What the server said before it closed may be lost, as there was more to read.
      t.true(said === '-ERR Protocol error: too big query buffer' || said === 'nothing', said);
    }
    const grown = residentBytes(node.pids[0] ?? 0) - before;
    t.log(`${Math.round(grown / megabyte)} MB more`);
    t.true(grown < 200 * megabyte, `${Math.round(grown / megabyte)} MB more`);

    const client = await RawClient.connect(node.port);
    const fits = 'z'.repeat(limit - 1024);
    t.deepEqual(await client.ask(['SET', 'large', fits], ['STRLEN', 'large'], ['EXISTS', 'k', 'l']), ['+OK', `:${fits.length}`, ':0']);
    // Together much more than the limit, but no command of them is.
    const several = await client.ask(...Array.from({ length: 10 }, (): string[] => ['SET', 'large', fits]));
    t.deepEqual(
      several,
      Array.from({ length: 10 }, () => '+OK'),
    );
    // Those that are connected are bound by what is said later, too.
    const second = await RawClient.connect(node.port);
    const stricter = await second.ask(['CONFIG', 'SET', 'client-query-buffer-limit', '1mb', 'proto-max-bulk-len', '1mb']);
    t.deepEqual(stricter, ['+OK']);
    client.write(`*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$${megabyte + 1}\r\n`);
    t.is(await client.reply(), '-ERR Protocol error: invalid bulk length');
    await client.closed;
    second.write(Buffer.concat([Buffer.from('*4\r\n$4\r\nMSET\r\n$5\r\nlarge\r\n$1048576\r\n'), Buffer.alloc(megabyte)]));
    t.is(await second.reply(), '-ERR Protocol error: too big query buffer');
    await second.closed;
    await probe.served(5);
    await probe.stop();
    t.is(node.pids.length, 1);
  },
);
