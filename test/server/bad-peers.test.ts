/**
 * What comes in at a node's peer port and should not: rubbish, impossible lengths, another cluster, another version, silence. The node refuses it,
 * says why in its log, and goes on serving.
 */
import test, { type ExecutionContext } from 'ava';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { torc } from '../../protocol/generated/messages.js';
import { protocolVersion } from '../../cluster/peer-link.js';
import { frameChunks, FrameSplitter } from '../../protocol/peer/framing.js';
import { slotOf } from '../../protocol/slot.js';
import { peerPortOf } from '../harness/free-ports.js';
import { type ServerGroup, startCluster } from '../harness/processes.js';
import { ProbeClient } from './probe-client.js';
import { RawClient } from './raw-client.js';

let servers: ServerGroup;
let clusterName: string;
test.before(async () => {
  servers = await startCluster();
  clusterName = `harness-${servers.port}`;
});
test.after.always(async () => servers?.stop());

interface Visit {
  readonly socket: Socket;
  /** All that the node said until it closed the connection. */
  readonly said: Promise<Buffer>;
}

async function visit(t: ExecutionContext, bytes: Buffer): Promise<Visit> {
  const socket = connect({ port: peerPortOf(servers.port), host: '127.0.0.1' });
  t.teardown(() => socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(bytes);
  return { socket, said: once(socket, 'close').then(() => Buffer.concat(chunks)) };
}

const frame = (message: Uint8Array): Buffer => Buffer.concat(frameChunks(Buffer.from(message)));

function hello(fields: torc.Hello.$Shape = {}): Buffer {
  const from = { nodeId: 'stranger', host: '127.0.0.1', peerPort: 1, clientPort: 1, zone: 'z', hostLabel: 'h' };
  return frame(torc.Hello.encode({ protocolVersion, clusterName, from, incarnation: 1, ...fields }).finish());
}

async function refusedWith(t: ExecutionContext, bytes: Buffer, refusal: string): Promise<void> {
  const { said } = await visit(t, bytes);
  t.is(torc.Hello.decode((await said).subarray(4)).refusal, refusal);
  await servers.server(0).printed(refusal, 5000);
}

/** Every node still answers in time, and the links among the three stand. */
async function unharmed(t: ExecutionContext, during: () => Promise<void>): Promise<void> {
  const probes = await Promise.all(servers.ports.map((port) => ProbeClient.start(port)));
  await during();
  await Promise.all(probes.map((probe) => probe.served(5)));
  for (const probe of probes) {
    await probe.stop();
    t.true(probe.slowestMs < 3000, `the probe waited ${Math.round(probe.slowestMs)} ms`);
  }
  t.is(servers.pids.length, 3);
  for (const at of [0, 1, 2]) t.notRegex(servers.server(at).output, /link to node 'node\d' broke/);
}

test.serial('rubbish and impossible lengths: closed, with the reason in the log', (t) =>
  unharmed(t, async () => {
    for (const [bytes, reason] of [
      [Buffer.alloc(100_000, 0xff), 'a frame of 4294967295 bytes; 1 to 65536 are allowed'],
      [Buffer.from([0, 0, 0, 0]), 'a frame of 0 bytes; 1 to 65536 are allowed'],
      [Buffer.from([0, 1, 0, 1, 1, 1]), 'a frame of 65537 bytes; 1 to 65536 are allowed'],
      [Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'a frame of 1195725856 bytes; 1 to 65536 are allowed'],
    ] as const) {
      t.is((await (await visit(t, bytes)).said).length, 0);
      await servers.server(0).printed(reason, 5000);
    }
    t.is((await (await visit(t, frame(Buffer.alloc(300, 0xff)))).said).length, 0);
    await servers.server(0).printed('a stream from an unknown peer is closed: ', 5000);
  }),
);

test.serial('another cluster, another protocol version, a node without a name: refused in words that name both sides', (t) =>
  unharmed(t, async () => {
    await refusedWith(t, hello({ clusterName: 'elsewhere' }), `cluster-name 'elsewhere' is not '${clusterName}'`);
    await refusedWith(t, hello({ protocolVersion: 77 }), `peer protocol version 77 is not ${protocolVersion}`);
    await refusedWith(t, hello({ from: { nodeId: '' } }), 'no node-id');
    await refusedWith(t, hello({ from: { nodeId: 'node1', host: '127.0.0.1', peerPort: 1 } }), "node-id 'node1' is this node's own");
  }),
);

test.serial('silence before the hand-shake: closed after a while', (t) =>
  unharmed(t, async () => {
    const { said } = await visit(t, Buffer.alloc(0));
    t.is((await said).length, 0);
    const half = await visit(t, hello().subarray(0, 10));
    t.is((await half.said).length, 0);
    await servers.server(0).printed('no hand-shake came in time', 5000);
  }),
);

test.serial('a stranger that greets well and then says rubbish, or a huge length, or nothing', (t) =>
  unharmed(t, async () => {
    for (const [rubbish, reason] of [
      [Buffer.alloc(5000, 0xff), "a stream from node 'stranger' is closed: a frame of 4294967295 bytes"],
      [frame(Buffer.alloc(300, 0xff)), "a stream from node 'stranger' is closed: "],
    ] as const) {
      const { said } = await visit(t, Buffer.concat([hello(), rubbish]));
      const welcome = torc.Hello.decode((await said).subarray(4));
      t.is(welcome.refusal, '');
      t.is(welcome.clusterName, clusterName);
      await servers.server(0).printed(reason, 5000);
    }
    const silent = await visit(t, hello());
    await once(silent.socket, 'data');
    silent.socket.end();
    await silent.said;
  }),
);

test.serial('gossip that makes no sense: closed; gossip that lies of a member: refuted by it, and nobody goes without it', (t) =>
  unharmed(t, async () => {
    const gossip = (exchange: torc.GossipExchange.$Shape): Buffer =>
      Buffer.concat([hello({ gossip: true }), frame(torc.GossipExchange.encode(exchange).finish())]);
    const senseless = await visit(t, gossip({ nodeId: [''], incarnation: [1], heartbeat: [1], status: [0] }));
    await senseless.said;
    await servers.server(0).printed('a stream from an unknown peer is closed: a node id of no or too many characters', 5000);
    await (
      await visit(t, Buffer.concat([hello({ gossip: true }), Buffer.alloc(5000, 0xff)]))
    ).said;
    await servers.server(0).printed('a frame of 4294967295 bytes; 1 to 4194304 are allowed', 5000);

    const messages: Buffer[] = [];
    const { said } = await visit(t, gossip({ whole: true }));
    new FrameSplitter(1 << 20).push(await said, (message) => messages.push(Buffer.from(message)));
    const [, answer = Buffer.alloc(0)] = messages;
    const { news } = torc.GossipExchange.decode(answer);
    t.is(news.length, 3);
    const truth = news.find(({ nodeId }) => nodeId === 'node2');
    await (
      await visit(t, gossip({ news: [{ ...truth, heartbeat: 2 ** 31, status: 2 }] }))
    ).said;
    await servers.server(0).printed("node 'node2' is down", 5000);
    await servers.server(1).printed('this node was taken for silent by another', 5000);
  }),
);

test.serial('a stranger that speaks like a member is not obeyed', (t) =>
  unharmed(t, async () => {
    let key = '';
    for (let i = 0; key === '' || slotOf(Buffer.from(key)) !== 0; i++) key = `forged:${i}`;
    const argument = ['SET', key, 'v'].map((word) => Buffer.from(word));
    const commands = { firstId: 1, partition: [0], options: [2], remainingMs: [10_000], argumentCount: [3], argument };
    const forged = frame(torc.Frame.encode({ clock: 1, commands }).finish());
    // The node ends the stream at its batches, so after it has read the command.
    const { said } = await visit(
      t,
      Buffer.concat([hello(), forged, frame(torc.Frame.encode({ clock: 1, batches: Buffer.from('x') }).finish())]),
    );
    t.is(torc.Hello.decode((await said).subarray(4)).refusal, '');
    const client = await RawClient.connect(servers.port);
    t.deepEqual(await client.ask(['GET', key]), ['nil']);
    await client.end();
  }),
);

test.serial('a member said to be somewhere else: a liar cannot take its link away for long', (t) =>
  unharmed(t, async () => {
    const { socket } = await visit(
      t,
      hello({ from: { nodeId: 'node2', host: '127.0.0.1', peerPort: 1, clientPort: 1, zone: 'z', hostLabel: 'h' } }),
    );
    await once(socket, 'data');
    socket.destroy();
  }),
);
