/** Clients by TLS: with and without a certificate, an expired one and one of another authority; certificates that are replaced while the node runs; no other port. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { Authority, type Certificate } from '../harness/certificates.js';
import { freePort } from '../harness/free-ports.js';
import { type Directives, type ServerGroup, startNode } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

function authority(t: ExecutionContext): Authority | undefined {
  const made = Authority.create();
  t.teardown(() => made?.remove());
  return made;
}

async function node(t: ExecutionContext, directives: Directives): Promise<ServerGroup> {
  const group = await startNode(directives);
  t.teardown(() => group.stop());
  return group;
}

/** What the node answers to PING, or `cut`. */
async function ping(port: number, ca: string, given?: Certificate): Promise<{ readonly said: string; readonly shown: string }> {
  const own = given === undefined ? {} : { cert: readFileSync(given.cert), key: readFileSync(given.key) };
  const socket: TLSSocket = connect({ port, host: '127.0.0.1', ca: readFileSync(ca), checkServerIdentity: () => undefined, ...own });
  let shown = '';
  socket.once('secureConnect', () => (shown = socket.getPeerCertificate().subject.CN as string));
  socket.on('error', () => undefined);
  socket.write('PING\r\n');
  const said = await Promise.race([once(socket, 'data').then(([bytes]) => String(bytes)), once(socket, 'close').then(() => 'cut')]).catch(
    () => 'cut',
  );
  socket.destroy();
  return { said, shown };
}

test('tls-port with tls-auth-clients yes, optional and no', async (t) => {
  const mine = authority(t);
  const other = authority(t);
  if (mine === undefined || other === undefined) return t.pass();
  const own = mine.issue('node');
  const right = mine.issue('client');
  const late = mine.issue('late', -1);
  const foreign = other.issue('client');
  for (const [authClients, answers] of [
    ['yes', ['cut', '+PONG\r\n', 'cut', 'cut']],
    ['optional', ['+PONG\r\n', '+PONG\r\n', 'cut', 'cut']],
    ['no', ['+PONG\r\n', '+PONG\r\n', '+PONG\r\n', '+PONG\r\n']],
  ] as const) {
    const port = await freePort();
    const directives = { 'tls-port': String(port), 'tls-cert-file': own.cert, 'tls-key-file': own.key, 'tls-ca-cert-file': mine.cert };
    const group = await node(t, { ...directives, 'tls-auth-clients': authClients });
    const said: string[] = [];
    for (const given of [undefined, right, late, foreign]) said.push((await ping(port, mine.cert, given)).said);
    t.deepEqual(said, [...answers], authClients);
    if (authClients !== 'no') await group.server(0).printed('TLS with a client at', 5000);
    const plain = await RawClient.connect(group.port);
    t.deepEqual(await plain.ask(['PING']), ['+PONG']);
    const spoken = await RawClient.connect(port); // no TLS at all
    spoken.write('PING\r\n');
    await spoken.closed;
    if (authClients === 'yes') {
      const left = await RawClient.connect(port); // as a load balancer looks whether the port is open
      left.socket.end();
      await left.closed;
    }
    t.deepEqual(await plain.ask(['PING']), ['+PONG']);
    await plain.end();
    await group.stop();
  }
});

test('a certificate is replaced while the node runs; one that does not fit is refused, and the old one stays', async (t) => {
  const mine = authority(t);
  if (mine === undefined) return t.pass();
  const directory = await mkdtemp(join(tmpdir(), 'torc-tls-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  const put = (made: Certificate): void => {
    copyFileSync(made.cert, cert);
    copyFileSync(made.key, key);
  };
  put(mine.issue('first'));
  const port = await freePort();
  const group = await node(t, { 'tls-port': String(port), 'tls-cert-file': cert, 'tls-key-file': key, 'tls-auth-clients': 'no' });
  const admin = await RawClient.connect(group.port);
  t.teardown(() => admin.end());
  t.deepEqual(await ping(port, mine.cert), { said: '+PONG\r\n', shown: 'first' });
  put(mine.issue('second'));
  t.is((await ping(port, mine.cert)).shown, 'first');
  t.deepEqual(await admin.ask(['CONFIG', 'SET', 'tls-cert-file', cert]), ['+OK']);
  t.deepEqual(await ping(port, mine.cert), { said: '+PONG\r\n', shown: 'second' });
  writeFileSync(cert, 'no certificate');
  const refused =
    "-ERR CONFIG SET failed (possibly related to argument 'tls-cert-file') - Unable to update TLS configuration. Check server logs.";
  t.deepEqual(await admin.ask(['CONFIG', 'SET', 'tls-cert-file', cert]), [refused]);
  t.deepEqual(await admin.ask(['CONFIG', 'SET', 'tls-cert-file', '/nowhere']), [refused]);
  t.deepEqual(await ping(port, mine.cert), { said: '+PONG\r\n', shown: 'second' });
  t.deepEqual(await admin.ask(['CONFIG', 'GET', 'tls-cert-file']), [`*[$tls-cert-file, $${cert}]`]);
  await group.server(0).printed('the TLS files cannot be used', 5000);
});

test('port 0: by TLS only; what contradicts itself ends the start', async (t) => {
  const mine = authority(t);
  if (mine === undefined) return t.pass();
  const own = mine.issue('node');
  const port = await freePort();
  const files = { 'tls-cert-file': own.cert, 'tls-key-file': own.key };
  const group = await node(t, { port: '0', 'tls-port': String(port), 'tls-auth-clients': 'no', ...files });
  t.deepEqual(await ping(port, mine.cert), { said: '+PONG\r\n', shown: 'node' });
  await group.server(0).printed(`ready on 127.0.0.1:${port}`, 1000);
  for (const [directives, reason] of [
    [{ port: '0' }, 'port 0 without tls-port leaves clients nowhere to connect'],
    [{ 'tls-port': String(port) }, 'tls-cert-file and tls-key-file are needed for tls-port and tls-cluster'],
    [{ 'tls-port': String(port), ...files }, 'tls-ca-cert-file is needed for tls-cluster, and for tls-port unless tls-auth-clients is no'],
    [{ 'tls-cluster': 'yes', ...files }, 'tls-ca-cert-file is needed for tls-cluster'],
    [{ 'cluster-secret': 'short-secret' }, 'cluster-secret is not allowed: it takes nothing, or a text of at least 16 characters'],
    [
      { 'tls-port': '1', 'tls-cert-file': '/nowhere', 'tls-key-file': '/nowhere', 'tls-auth-clients': 'no' },
      'the TLS files cannot be used',
    ],
  ] as const) {
    const error = await t.throwsAsync(startNode(directives as Directives));
    t.true(error.message.includes(reason), `${error.message}, and not ${reason}`);
    t.false(error.message.includes('short-secret'));
  }
});
