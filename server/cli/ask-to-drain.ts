/** `torc drain`: says TORC DRAIN to a node on this machine, for where no Redis client is at hand, as in a container's preStop hook. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Configuration } from '../config/directives.js';
import { reachableHost } from './cluster-plan.js';

const answerTimeoutMs = 5000;

/** Resolves when the node has said that it drains. Rejects with one line when it is not there or refuses. */
export async function askToDrain(configuration: Configuration): Promise<void> {
  const host = reachableHost(configuration);
  if (configuration.port === 0)
    throw Object.assign(new Error('this node takes clients by TLS only: SIGTERM drains it as well'), { code: 'TLS_ONLY' });
  const where = `${host}:${configuration.port}`;
  const socket = connect({ host, port: configuration.port });
  const signal = AbortSignal.timeout(answerTimeoutMs);
  try {
    await once(socket, 'connect', { signal });
    const { password } = configuration;
    if (password !== '') {
      socket.write(`*2\r\n$4\r\nAUTH\r\n$${Buffer.byteLength(password)}\r\n${password}\r\n`);
      await once(socket, 'data', { signal }); // a wrong one is told by the refusal of what follows
    }
    socket.write('*2\r\n$4\r\nTORC\r\n$5\r\nDRAIN\r\n');
    const [reply] = (await once(socket, 'data', { signal })) as [Buffer];
    const line = reply.toString('latin1').split('\r\n', 1)[0] ?? '';
    if (line !== '+OK') throw Object.assign(new Error(`the node at ${where} refuses to drain: ${line.slice(1)}`), { code: 'REFUSED' });
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw Object.assign(new Error(`no node answers at ${where}`), { code: 'SILENT' });
  } finally {
    socket.destroy();
  }
}
