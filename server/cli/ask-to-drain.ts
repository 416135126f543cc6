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
  const { password } = configuration;
  const requests = [...(password === '' ? [] : [['AUTH', password]]), ['TORC', 'DRAIN']];
  const socket = connect({ host, port: configuration.port });
  const signal = AbortSignal.timeout(answerTimeoutMs);
  try {
    await once(socket, 'connect', { signal });
    socket.write(requests.map(encoded).join(''));
    let answer = '';
    while (answer.split('\r\n').length <= requests.length) {
      const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
      answer += chunk.toString('latin1');
    }
    // Every reply is one line, and the first that is not +OK says why.
    const refusal = answer.split('\r\n').find((line) => line !== '' && line !== '+OK');
    if (refusal !== undefined)
      throw Object.assign(new Error(`the node at ${where} refuses to drain: ${refusal.slice(1)}`), { code: 'REFUSED' });
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw Object.assign(new Error(`no node answers at ${where}`), { code: 'SILENT' });
  } finally {
    socket.destroy();
  }
}

/** In RESP. */
function encoded(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}
