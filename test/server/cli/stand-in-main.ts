/**
 * Torc's command line with a stand-in for the node, which only listens: for tests of what starts, watches and stops nodes. `cluster-name` tells
 * it how to behave, since every node is given it: `torc` serves, `refuse-node2` does not start as node2, `ignore-stop` never stops by itself.
 */
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { runCommandLine, type StartedNode } from '../../../server/cli/run-command-line.js';
import type { Configuration } from '../../../server/config/directives.js';

async function startNode(configuration: Configuration): Promise<StartedNode> {
  if (configuration.clusterName === `refuse-${configuration.nodeId}`) {
    throw Object.assign(new Error(`the data directory ${configuration.directory} is damaged`), { code: 'DAMAGED' });
  }
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(configuration.port, configuration.bind[0], resolve));
  return {
    ready: configuration.clusterName.startsWith('refuse') ? new Promise(() => {}) : Promise.resolve(),
    failure: new Promise(() => {}),
    stopAsked: new Promise(() => {}),
    stop: () => new Promise((resolve) => configuration.clusterName !== 'ignore-stop' && server.close(() => resolve())),
  };
}

process.exit(
  await runCommandLine(process.argv.slice(2), {
    mainScript: fileURLToPath(import.meta.url),
    version: '1.2.3',
    environment: process.env,
    startNode,
  }),
);
