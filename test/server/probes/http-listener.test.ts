/** The HTTP port takes what it should and refuses the rest, whoever asks. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { HttpListener, type HttpAnswer } from '../../../server/probes/http-listener.js';
import { freePort } from '../../harness/free-ports.js';
import { probe } from '../../harness/http-probe.js';
import { until } from '../../harness/until.js';

const hello: HttpAnswer = { status: 200, contentType: 'text/plain', body: 'hellö' };

function asked(
  port: number,
  method: string,
): Promise<{ readonly status: number | undefined; readonly length: string | undefined; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, method, path: '/', host: '127.0.0.1', agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode, length: response.headers['content-length'], body }));
    });
    sent.on('error', reject).end();
  });
}

test('GET and HEAD of a route, a query or not; other paths, other methods and failing routes are told so', async (t) => {
  const port = await freePort();
  const routes = new Map<string, () => HttpAnswer | Promise<HttpAnswer>>([
    ['/', () => hello],
    ['/broken', () => Promise.reject(new Error('no figures'))],
  ]);
  const listener = await HttpListener.open(['127.0.0.1'], port, routes);
  t.teardown(() => listener.close());
  t.deepEqual(await asked(port, 'GET'), { status: 200, length: '6', body: 'hellö' });
  t.deepEqual(await asked(port, 'HEAD'), { status: 200, length: '6', body: '' });
  t.is((await asked(port, 'POST')).status, 405);
  t.is((await probe(port, '/?x=1')).status, 200);
  const unknown = await probe(port, '/readyz');
  t.is(unknown.status, 404);
  t.regex(unknown.body, /there are \/, \/broken/);
  t.deepEqual(await probe(port, '/broken'), { status: 500, body: '{"ok":false,"reason":"no figures"}\n' });
});

test('what is no HTTP, or too much of it, ends its own connection only', async (t) => {
  const port = await freePort();
  const listener = await HttpListener.open(['127.0.0.1'], port, new Map([['/', () => hello]]));
  t.teardown(() => listener.close());
  for (const bytes of ['*1\r\n$4\r\nPING\r\n', `GET / HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`, Buffer.alloc(4096, 0xff)]) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => socket.destroy());
    socket.resume();
    await once(socket, 'connect');
    socket.write(bytes);
    await once(socket, 'close');
  }
  t.is((await asked(port, 'GET')).body, 'hellö');
});

test('connections that ask for nothing do not keep a probe out: the one that has been idle for the longest time makes room', async (t) => {
  const port = await freePort();
  let answerSlow: (answer: HttpAnswer) => void = () => undefined;
  const slow = new Promise<HttpAnswer>((resolve) => (answerSlow = resolve));
  const listener = await HttpListener.open(
    ['127.0.0.1'],
    port,
    new Map<string, () => HttpAnswer | Promise<HttpAnswer>>([
      ['/', () => hello],
      ['/slow', () => slow],
    ]),
  );
  t.teardown(() => listener.close());
  const opened: Socket[] = [];
  const closed: number[] = [];
  t.teardown(() => opened.forEach((socket) => socket.destroy()));
  const open = async (bytes: string): Promise<void> => {
    const index = opened.length;
    const socket = connect({ port, host: '127.0.0.1' });
    opened.push(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => closed.push(index));
    socket.resume();
    await once(socket, 'connect');
    socket.write(bytes);
  };
  await open('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n');
  t.is((await asked(port, 'GET')).body, 'hellö');
  // Silent ones, and those that never end their headers.
  for (let i = 0; i < 600; i++) await open(i % 2 === 0 ? '' : 'GET / HTTP/1.1\r\nx: ');
  for (let i = 0; i < 20; i++) t.is((await asked(port, 'GET')).body, 'hellö');
  t.is((await probe(port, '/')).status, 200);
  await until(() => Promise.resolve(closed.length > 340), 'the first of them are ended');
  t.false(closed.includes(0), 'one that waits for its answer stays');
  t.false(closed.includes(opened.length - 1), 'and so do the last of the others');
  answerSlow(hello);
});

test("a port that is taken is refused with the system's code", async (t) => {
  const port = await freePort();
  const listener = await HttpListener.open(['127.0.0.1'], port, new Map());
  t.teardown(() => listener.close());
  await t.throwsAsync(HttpListener.open(['127.0.0.1'], port, new Map()), { code: 'EADDRINUSE' });
});
