/**
 * Who is let in at the peer port of nodes that have a cluster-secret or speak TLS among themselves: nobody without the secret, with another one, of another cluster, with a record of what a member
 * said, with half a proof or an impossible length; nobody without a certificate, with an expired one, or one of another authority. Each is refused and logged, and the cluster goes on.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { protocolVersion } from '../../cluster/peer-link.js';
import { torc } from '../../protocol/generated/messages.js';
import { frameChunks } from '../../protocol/peer/framing.js';
import { Authority } from '../harness/certificates.js';
import { peerPortOf } from '../harness/free-ports.js';
import { type ServerGroup, startCluster } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { ServerProcess } from '../harness/server-process.js';
import { ProbeClient } from './probe-client.js';
import { RawClient } from './raw-client.js';

const secret = 'a secret of the cluster, long enough';
const magic = Buffer.from('TORCSEC1');

const frame = (message: Uint8Array): Buffer => Buffer.concat(frameChunks(Buffer.from(message)));

function hello(clusterName: string): Buffer {
  const from = { nodeId: 'stranger', host: '127.0.0.1', peerPort: 1, clientPort: 1, zone: 'z', hostLabel: 'h' };
  return frame(torc.Hello.encode({ protocolVersion, clusterName, from, incarnation: 1 }).finish());
}

class Visitor {
  private received = Buffer.alloc(0);
  private look: () => void = () => undefined;
  readonly closed: Promise<unknown>;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.look();
    });
    socket.on('error', () => undefined);
    this.closed = once(socket, 'close');
  }

  static async at(t: ExecutionContext, group: ServerGroup): Promise<Visitor> {
    const socket = connect({ port: peerPortOf(group.port), host: '127.0.0.1' });
    t.teardown(() => socket.destroy());
    await once(socket, 'connect');
    return new Visitor(socket);
  }

  get bytes(): number {
    return this.received.length;
  }

  async read(bytes: number): Promise<Buffer> {
    if (this.received.length < bytes) await new Promise<void>((resolve) => (this.look = () => this.received.length >= bytes && resolve()));
    const taken = this.received.subarray(0, bytes);
    this.received = this.received.subarray(bytes);
    return taken;
  }
}

const proof = (side: string, clusterName: string, dialer: Buffer, acceptor: Buffer, key = secret): Buffer =>
  createHmac('sha256', key).update(`${side}\0${clusterName}\0`).update(dialer).update(acceptor).digest();

/** Every node still answers in time, and the links among the three stand. */
async function unharmed(t: ExecutionContext, group: ServerGroup, during: () => Promise<void>): Promise<void> {
  const probes = await Promise.all(group.ports.map((port) => ProbeClient.start(port)));
  await during();
  await Promise.all(probes.map((probe) => probe.served(5)));
  for (const probe of probes) {
    await probe.stop();
    t.true(probe.slowestMs < 3000, `the probe waited ${Math.round(probe.slowestMs)} ms`);
  }
  t.is(group.pids.length, 3);
  for (const at of [0, 1, 2]) t.notRegex(group.server(at).output, /link to node 'node\d' broke/);
}

/** Starts a node that takes part as node4 with directives of its own, and waits until it, or the one that it dials, has logged that it is not let in. */
async function strangerNode(
  t: ExecutionContext,
  group: ServerGroup,
  directives: Readonly<Record<string, string>>,
  said: RegExp,
): Promise<void> {
  const [command] = group.commands;
  if (command === undefined) throw new Error('no node');
  const args = [...command.args];
  const set = (name: string, value: string): void => {
    const at = args.indexOf(`--${name}`);
    if (at < 0) args.push(`--${name}`, value);
    else args[at + 1] = value;
  };
  const port = group.port + 500;
  set('port', String(port));
  set('dir', `${group.dir}/stranger`);
  set('node-id', 'stranger');
  set('seeds', `127.0.0.1:${peerPortOf(group.port)}`);
  for (const [name, value] of Object.entries(directives)) set(name, value);
  const stranger = await ServerProcess.start({ ...command, name: 'stranger', args, port, readyText: '"event":"started"' });
  t.teardown(() => stranger.kill());
  await until(
    () => said.test(group.server(0).output + stranger.output),
    () => `somebody says ${said}: ${stranger.lastWords()}`,
  );
  const client = await RawClient.connect(port);
  t.regex((await client.ask(['GET', 'k']))[0] ?? '', /^-LOADING /);
  await client.end();
  await stranger.kill();
}

test('a cluster-secret: proved by nodes, refused to everyone else', async (t) => {
  const group = await startCluster({ directives: { 'cluster-secret': secret } });
  t.teardown(() => group.stop());
  const clusterName = `harness-${group.port}`;
  const node = group.server(0);
  const client = await RawClient.connect(group.ports[1] as number);
  t.deepEqual(await client.ask(['SET', 'k', 'v'], ['GET', 'k']), ['+OK', '$v']);
  await client.end();
  await unharmed(t, group, async () => {
    // A stranger, rubbish, a length of 2 GB: nothing is answered, nothing is kept.
    for (const bytes of [hello(clusterName), Buffer.from([0x80, 0, 0, 0, 1, 2, 3]), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const visitor = await Visitor.at(t, group);
      visitor.socket.write(bytes);
      await visitor.closed;
      t.is(visitor.bytes, 0);
    }
    await node.printed('it does not begin with a proof of the cluster-secret', 5000);

    // Another secret, another cluster's name, the other side's proof.
    for (const wrong of [
      (d: Buffer, a: Buffer) => proof('dialer', clusterName, d, a, 'another secret, as long as that'),
      (d: Buffer, a: Buffer) => proof('dialer', 'elsewhere', d, a),
      (d: Buffer, a: Buffer) => proof('acceptor', clusterName, d, a),
      (d: Buffer, a: Buffer) => proof('dialer', clusterName, a, d),
    ]) {
      const visitor = await Visitor.at(t, group);
      const nonce = randomBytes(32);
      visitor.socket.write(Buffer.concat([magic, nonce]));
      visitor.socket.write(wrong(nonce, await visitor.read(32)));
      await visitor.closed;
      t.is(visitor.bytes, 0, 'no proof of its own, and no welcome');
    }
    await node.printed('it does not know the cluster-secret', 5000);

    // A record of what was once right.
    const recorded: Buffer[] = [];
    const honest = await Visitor.at(t, group);
    const nonce = randomBytes(32);
    recorded.push(Buffer.concat([magic, nonce]));
    honest.socket.write(recorded[0] as Buffer);
    const theirs = await honest.read(32);
    recorded.push(proof('dialer', clusterName, nonce, theirs));
    honest.socket.write(recorded[1] as Buffer);
    t.deepEqual(await honest.read(32), proof('acceptor', clusterName, nonce, theirs));
    // One who knows the secret is still held to what frames may be.
    honest.socket.write(hello(clusterName));
    await honest.read(4);
    honest.socket.write(Buffer.from([0x80, 0, 0, 0, 1]));
    await honest.closed;
    await node.printed("a stream from node 'stranger' is closed: a frame of 2147483648 bytes", 5000);
    const replayed = await Visitor.at(t, group);
    replayed.socket.write(Buffer.concat([...recorded, hello(clusterName)]));
    await replayed.closed;
    t.is(replayed.bytes, 32, 'its challenge, and nothing else');

    // Cut at any place, or silent: closed after a while.
    const whole = Buffer.concat(recorded);
    await Promise.all(
      [0, 5, 8, 39, 40, 71].map(async (bytes) => {
        const visitor = await Visitor.at(t, group);
        visitor.socket.write(whole.subarray(0, bytes));
        await visitor.closed;
      }),
    );
    await node.printed('it did not prove in time that it knows the cluster-secret', 5000);

    await strangerNode(
      t,
      group,
      { 'cluster-secret': 'another secret, as long as that' },
      /the node at 127\.0\.0\.1:\d+ is not spoken to: it ended before it proved/,
    );
    await strangerNode(t, group, { 'cluster-secret': '' }, /it does not begin with a proof of the cluster-secret/);
    await strangerNode(t, group, { 'cluster-name': 'elsewhere' }, /it does not know the cluster-secret/);
  });
  for (const at of [0, 1, 2]) t.false(group.server(at).output.includes(secret));
});

test('tls-cluster: mutual TLS between nodes', async (t) => {
  const authority = Authority.create();
  if (authority === undefined) return t.pass();
  t.teardown(() => authority.remove());
  const other = Authority.create() as Authority;
  t.teardown(() => other.remove());
  const mine = authority.issue('node');
  const tls = { 'tls-cluster': 'yes', 'tls-cert-file': mine.cert, 'tls-key-file': mine.key, 'tls-ca-cert-file': authority.cert };
  const group = await startCluster({ directives: { ...tls, 'cluster-secret': secret } });
  t.teardown(() => group.stop());
  const node = group.server(0);
  const client = await RawClient.connect(group.ports[2] as number);
  t.deepEqual(await client.ask(['SET', 'k', 'v'], ['GET', 'k']), ['+OK', '$v']);
  await client.end();
  await unharmed(t, group, async () => {
    const plain = await Visitor.at(t, group);
    plain.socket.write(hello(`harness-${group.port}`));
    await plain.closed;
    await node.printed('TLS with a peer at', 5000);
    for (const [given, ca] of [
      [undefined, authority],
      [authority.issue('late', -1), authority],
      [other.issue('node'), authority],
    ] as const) {
      const shown = given === undefined ? {} : { cert: readFileSync(given.cert), key: readFileSync(given.key) };
      const socket = connectTls({
        port: peerPortOf(group.port),
        host: '127.0.0.1',
        ca: readFileSync(ca.cert),
        checkServerIdentity: () => undefined,
        ...shown,
      });
      socket.on('error', () => undefined);
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.write(hello(`harness-${group.port}`));
      await new Promise((resolve) => socket.once('close', resolve));
      t.is(Buffer.concat(chunks).length, 0);
    }
    const late = authority.issue('late', -1);
    const foreign = other.issue('node');
    await strangerNode(t, group, { 'tls-cert-file': late.cert, 'tls-key-file': late.key }, /"event":"tls-failed".*CERT_HAS_EXPIRED/);
    await strangerNode(
      t,
      group,
      { 'tls-cert-file': foreign.cert, 'tls-key-file': foreign.key },
      /"event":"tls-failed".*(UNABLE_TO_|SELF_SIGNED_|CERT_SIGNATURE)/,
    );
    await strangerNode(t, group, { 'tls-cluster': 'no' }, /"event":"tls-failed"/);
  });
});
