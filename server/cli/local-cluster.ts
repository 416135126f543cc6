/**
 * `torc cluster`: several nodes on this machine, for development and trials. Starts them, says where they listen, and stops them all together.
 *
 * A node that ends while the cluster starts ends the start; one that ends later is reported and left to its operator, since a supervisor that
 * restarts nodes would hide the very failures that a cluster on one machine is started to look at.
 */
import { makeDirectory } from '../make-directory.js';
import type { PlannedNode } from './cluster-plan.js';
import { reachableHost } from './cluster-plan.js';
import { unavailablePort } from './free-ports.js';
import { NodeProcess } from './node-process.js';
import type { StopRequests } from './stop-request.js';

/** How much longer than its directives allow a node may take to stop before it is killed. */
const stopMarginMs = 2000;
/** When it is said which nodes a start is still waiting for. */
const patienceMs = 20_000;

export interface Supervision {
  /** Absolute path of the script that a node is run with. */
  readonly mainScript: string;
  readonly onStopRequest: StopRequests;
  readonly print: (line: string) => void;
  readonly complain: (line: string) => void;
}

/** Resolves with the exit code when no node runs any more: 0 after a stop that was asked for, 1 when nodes could not start or all ended by themselves. */
export async function runLocalCluster(planned: readonly PlannedNode[], supervision: Supervision): Promise<number> {
  const { print, complain } = supervision;
  const directory = planned[0]?.configuration.directory ?? '.';
  for (const { configuration } of planned) {
    const unavailable = await unavailablePort(configuration);
    if (unavailable !== undefined) return failed(complain, unavailable);
  }
  try {
    for (const { configuration } of planned) makeDirectory(configuration.directory);
  } catch (error) {
    return failed(complain, `cannot make the data directory ${directory}: ${error instanceof Error ? error.message : String(error)}`);
  }

  let nodes: NodeProcess[] = [];
  let stopRequests = 0;
  const stopAsked = new Promise<'stop'>((resolve) => {
    supervision.onStopRequest(() => {
      if (++stopRequests > 1) for (const node of nodes) node.signal('SIGKILL');
      resolve('stop');
    });
  });

  nodes = planned.map((node) => new NodeProcess(node, supervision.mainScript, complain));
  const allReady = Promise.all(nodes.map((node) => node.ready)).then(() => 'ready' as const);
  const oneEnded = Promise.race(nodes.map(async (node) => ({ node, cause: await node.ended })));
  const impatience = setTimeout(() => complain(waitingFor(nodes)), patienceMs);
  const started = await Promise.race([allReady, oneEnded, stopAsked]);
  clearTimeout(impatience);
  if (started !== 'ready') {
    if (started !== 'stop') complain(`torc: ${started.node.name} did not start: ${started.node.complaint ?? started.cause}`);
    await stopAll(nodes, complain);
    return started === 'stop' ? 0 : 1;
  }

  for (const line of announcement(nodes)) print(line);
  const allEnded = Promise.all(
    nodes.map(async (node) => {
      const cause = await node.ended;
      if (stopRequests === 0) complain(endedByItself(node, cause, supervision.mainScript));
    }),
  ).then(() => 'ended' as const);
  if ((await Promise.race([allEnded, stopAsked])) === 'ended' && stopRequests === 0) return failed(complain, 'no node is running any more');
  print('torc: stopping');
  await stopAll(nodes, complain);
  print('torc: stopped');
  return 0;
}

function failed(complain: (line: string) => void, what: string): number {
  complain(`torc: ${what}`);
  return 1;
}

async function stopAll(nodes: readonly NodeProcess[], complain: (line: string) => void): Promise<void> {
  const allowed = nodes.map(({ planned: { configuration: own } }) => own.drainWaitSeconds + own.shutdownTimeoutSeconds);
  const stopTimeoutMs = Math.max(0, ...allowed) * 1000 + stopMarginMs;
  for (const node of nodes) node.signal('SIGTERM');
  const deadline = setTimeout(() => {
    for (const node of nodes.filter((each) => !each.hasEnded)) {
      complain(`torc: ${node.name} did not stop within ${stopTimeoutMs / 1000} s and is killed`);
      node.signal('SIGKILL');
    }
  }, stopTimeoutMs);
  await Promise.all(nodes.map((node) => node.ended));
  clearTimeout(deadline);
}

function announcement(nodes: readonly NodeProcess[]): string[] {
  const first = nodes[0]?.planned.configuration;
  if (first === undefined) return [];
  const host = reachableHost(first);
  const rows = nodes.map(({ name, pid, planned: { configuration: own } }) => {
    return `  ${name}  ${host}:${own.port}  zone ${own.zone}  peers :${own.peerPort}  data ${own.directory}  pid ${pid}`;
  });
  const address = host === '127.0.0.1' ? '' : `-h ${host} `;
  return [
    `torc: cluster ${first.clusterName} of ${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'} is ready`,
    ...rows,
    `try:  redis-cli ${address}-p ${first.port} SET greeting hello`,
    'stop: Ctrl-C',
  ];
}

function waitingFor(nodes: readonly NodeProcess[]): string {
  const files = nodes.filter((node) => !node.isReady).map((node) => `${node.name} (${node.planned.configuration.logFile})`);
  return `torc: still waiting for ${files.join(', ')}`;
}

function endedByItself(node: NodeProcess, cause: string, mainScript: string): string {
  const command = [process.execPath, mainScript, ...node.planned.args].map(shellWord).join(' ');
  return `torc: ${node.name} stopped ${cause}; the others go on. Start it again with: ${command}`;
}

function shellWord(word: string): string {
  return /^[\w./:,@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
