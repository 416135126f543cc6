/** The port for peers before its node listens: it is bound early, so that a taken one is known before the log is replayed, which may take a minute. */
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'ava';
import { TcpTransport } from '../../server/tcp-transport.js';
import { freePort } from '../harness/free-ports.js';

test('who dials before a node listens is sent away at once, and dials again; who dials later is listened to', async (t) => {
  const port = await freePort();
  const transport = await TcpTransport.bind(['127.0.0.1'], port);
  const early = connect(port, '127.0.0.1').resume();
  await once(early, 'close');

  const heard = new Promise<string>((resolve) =>
    transport.listen(() => ({ data: (chunk) => resolve(String(chunk)), closed: () => undefined })),
  );
  const late = connect(port, '127.0.0.1');
  late.write('hello');
  t.is(await heard, 'hello');
  late.destroy();
  transport.close();
});
