/**
 * protected-mode: a node whose default user has no password takes clients of this machine only, however it is bound; others are told so as Redis tells them, and closed. The client from elsewhere is one
 * that connects to an address of this machine that is not loopback: it comes from that address.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import test, { type ExecutionContext } from 'ava';
import { haveRedisTools, redisServer, startNode } from '../harness/processes.js';
import { encodeCommand, RawClient } from './raw-client.js';

const address = Object.values(networkInterfaces())
  .flatMap((interfaces) => interfaces ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

/** The address; undefined = there is none, and it has been said. */
function addressOr(t: ExecutionContext): string | undefined {
  if (address !== undefined) return address;
  process.stderr.write('\n*** PROTECTED-MODE IS NOT TESTED: this machine has no IPv4 address but loopback ***\n\n');
  t.log('skipped: no address but loopback');
  t.pass();
  return undefined;
}

/** All that the server says to a client that asks this, until it closes the connection. */
async function saidBy(host: string, port: number, commands: readonly string[] = ['PING', 'QUIT']): Promise<string> {
  const socket = connect({ host, port });
  let said = '';
  socket.setEncoding('latin1').on('data', (text: string) => (said += text));
  socket.on('error', () => socket.destroy());
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  for (const command of commands) socket.write(encodeCommand([command]));
  await closed;
  return said;
}

const served = '+PONG\r\n+OK\r\n';
const unprotected = { bind: '0.0.0.0', 'protected-mode': 'no' };
const guarded = { bind: '0.0.0.0', 'protected-mode': 'yes' };

test('without a password, clients from elsewhere are refused and those of this machine served', async (t) => {
  const elsewhere = addressOr(t);
  if (elsewhere === undefined) return;
  const node = await startNode(guarded);
  t.teardown(() => node.stop());
  const refusal =
    /^-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user\. In this mode connections are only accepted from the loopback interface\. [^\r\n]*\r\n$/;
  const client = await RawClient.connect(node.port);
  t.deepEqual(await client.ask(['SET', 'k', 'v'], ['CONFIG', 'GET', 'protected-mode']), ['+OK', '*[$protected-mode, $yes]']);
  for (let i = 0; i < 3; i++) t.regex(await saidBy(elsewhere, node.port), refusal);
  t.is(await saidBy('127.0.0.1', node.port), served);
  t.deepEqual(await client.ask(['GET', 'k']), ['$v']);
  t.regex((await client.ask(['INFO', 'stats']))[0] ?? '', /\r\nrejected_connections:3\r\n/);

  if (haveRedisTools()) {
    const redis = await redisServer({ directives: guarded });
    t.teardown(() => redis.stop());
    const common = (text: string): string => text.slice(0, text.indexOf('loopback interface.'));
    const theirs = await saidBy(elsewhere, redis.port, []); // Redis closes with unread what was sent: the system resets the connection, and its words may be lost
    t.true(common(theirs).startsWith('-DENIED '), theirs);
    t.is(common(await saidBy(elsewhere, node.port)), common(theirs));
  }

  t.deepEqual(await client.ask(['CONFIG', 'SET', 'protected-mode', 'no']), ['+OK']);
  t.is(await saidBy(elsewhere, node.port), served);
  t.deepEqual(await client.ask(['CONFIG', 'SET', 'protected-mode', 'yes']), ['+OK']);
  t.regex(await saidBy(elsewhere, node.port), refusal);
  // With a password everybody may come, and has to say it.
  t.deepEqual(await client.ask(['CONFIG', 'SET', 'requirepass', 'secret']), ['+OK']);
  t.is(await saidBy(elsewhere, node.port), '-NOAUTH Authentication required.\r\n+OK\r\n');
  await client.end();
});

test('with protected-mode no, clients from elsewhere are served', async (t) => {
  const elsewhere = addressOr(t);
  if (elsewhere === undefined) return;
  const node = await startNode(unprotected);
  t.teardown(() => node.stop());
  t.is(await saidBy(elsewhere, node.port), served);
});
