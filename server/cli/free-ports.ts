/** Finds a port that is taken before anything is started, so that the error names the directive and not a stack of sockets. */
import { createServer } from 'node:net';
import type { Configuration } from '../config/directives.js';

const purposes = { port: 'client port', tlsPort: 'TLS port', peerPort: 'peer port', httpPort: 'HTTP port' } as const;
const directiveOfPurpose = { port: 'port', tlsPort: 'tls-port', peerPort: 'peer-port', httpPort: 'http-port' } as const;

/** One line about the first of the node's ports that cannot be listened on; undefined when all can. */
export async function unavailablePort(configuration: Configuration): Promise<string | undefined> {
  for (const key of ['port', 'tlsPort', 'peerPort', 'httpPort'] as const) {
    if (configuration[key] === 0) continue;
    for (const host of configuration.bind) {
      const code = await listenFailure(host, configuration[key]);
      if (code === undefined) continue;
      const what = `${host}:${configuration[key]}, the ${purposes[key]} of ${configuration.nodeId}`;
      if (code === 'EADDRINUSE') return `${what}, is taken; give another with --${directiveOfPurpose[key]}`;
      if (code === 'EACCES') return `${what}, may not be used by this user; give another with --${directiveOfPurpose[key]}`;
      return `${what}, cannot be listened on (${code}); is --bind an address of this machine?`;
    }
  }
  return undefined;
}

/** The system's error code. The port is free again when this resolves. */
function listenFailure(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
