/** What a node tells its operator: lines of JSON with an event each, for what happens to nodes, and none for what clients ask. */
import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { stoppedAtEnd } from '../failure/judging.js';
import { RespConnection } from '../failure/resp-connection.js';
import { startCluster, startNode } from '../harness/processes.js';
import { until } from '../harness/until.js';

interface Line {
  readonly level: string;
  readonly time: string;
  readonly node: string;
  readonly msg: string;
  readonly event?: string;
  readonly peer?: string;
  readonly [field: string]: unknown;
}

const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);

test.serial('a life of a node, a line for each thing that an operator cares about', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'torc-events-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const logfile = join(directory, 'node.log');
  const node = await startNode({ logfile });
  stoppedAtEnd(t, node);
  const client = await RespConnection.open(node.port);
  await client.all(Array.from({ length: 2000 }, (_, index) => ['SET', `key${index}`, 'value']));
  t.is((await client.ask('INCR', 'key1')).kind, 'error');
  await client.ask('CONFIG', 'SET', 'timeout', '7', 'requirepass', 'open-sesame');
  client.close();
  process.kill(node.server(0).pid, 'SIGTERM');
  await node.server(0).exited;
  const text = readFileSync(logfile, 'utf8');
  const lines = linesOf(text);
  t.is(lines.length, text.trim().split('\n').length, 'nothing but JSON');
  t.deepEqual(
    lines.map(({ event }) => event).filter((event) => event !== 'took-over'),
    ['configuration', 'started', 'config-set', 'config-set', 'user-changed', 'stopping', 'stopped'].toSorted(
      (a, b) => lines.findIndex(({ event }) => event === a) - lines.findIndex(({ event }) => event === b),
    ),
  );
  t.like(
    lines.find(({ directive }) => directive === 'timeout'),
    { event: 'config-set', value: '7', level: 'notice', node: 'node1' },
  );
  t.false(text.includes('sesame'));
  t.true(lines.every(({ msg, time }) => msg !== '' && !Number.isNaN(Date.parse(time))));
});

test.serial('quorums that do not meet are warned of at start', async (t) => {
  const node = await startNode({ replicas: '3' });
  stoppedAtEnd(t, node);
  t.like(linesOf(node.server(0).lastWords())[0], { level: 'warning', event: 'configuration' });
});

test.serial('a node that is killed, and comes back', async (t) => {
  t.timeout(60_000);
  const directory = mkdtempSync(join(tmpdir(), 'torc-events-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const logfile = join(directory, 'all.log'); // each line is appended whole, and says whose it is
  const cluster = await startCluster({ directives: { 'gossip-interval': '500', 'suspicion-timeout': '1000', partitions: '64', logfile } });
  stoppedAtEnd(t, cluster);
  const client = await RespConnection.open(cluster.port);
  const keys = Array.from({ length: 200 }, (_, index) => `key${index}`);
  await client.all(keys.map((key) => ['SET', key, 'before']));
  await cluster.kill9(2);
  await heard(logfile, ['link-broken', 'peer-suspected', 'peer-down']);
  await client.all(keys.map((key) => ['SET', key, 'after']));
  client.close();
  await cluster.restart(2);
  const lines = await heard(logfile, ['took-over', 'link-opened']);
  for (const { event, peer } of lines) if (event === 'peer-down' || event === 'peer-suspected') t.is(peer, 'node3');
  t.true(lines.length < 60, `${lines.length} lines for 400 commands`);
  t.true(lines.every(({ event }) => event !== undefined));
});

/** The lines of the first node once each event is among them. */
async function heard(logfile: string, events: readonly string[]): Promise<Line[]> {
  let lines: Line[] = [];
  const areThere = (): boolean => {
    lines = linesOf(readFileSync(logfile, 'utf8')).filter(({ node }) => node === 'node1');
    return events.every((wanted) => lines.some(({ event }) => event === wanted));
  };
  await until(areThere, () => `${events.join()} in ${lines.map(({ event }) => event).join()}`);
  return lines;
}
