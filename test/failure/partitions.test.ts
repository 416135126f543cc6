/**
 * Real processes in real network namespaces, cut off from each other for a while under a checked load: both directions, one direction, and both sides
 * written. Nothing acknowledged is lost, and afterwards the replicas hold the same record for record. Takes root and iproute2; the last line says how many
 * partitions there were. TORC_FULL=1: ten of each, for longer, with the directives as they are by default.
 */
import test, { type ExecutionContext } from 'ava';
import { cannotMakeNetworks, NodeNetwork } from '../harness/node-network.js';
import { startLoad } from '../harness/load-client.js';
import { type ServerGroup, startCluster } from '../harness/processes.js';
import { assertSound, figures, keysOf, replicasEqual } from './judging.js';
import { RespConnection } from './resp-connection.js';
import { fullSize, sized } from './run-size.js';

const rounds = sized(1, 10);
const cutMs = sized(1_500, 8_000);
const perSecond = sized(2_000, Infinity);
const equalWithinMs = 15_000;
/** Silence is noticed sooner, so that a short cut is more than waiting for it. */
const quick = { 'gossip-interval': '200', 'phi-threshold': '4', 'suspicion-timeout': '1000', 'peer-timeout': '1000' };

const obstacle = cannotMakeNetworks();
let partitions = 0;

let within: { readonly cluster: ServerGroup; readonly network: NodeNetwork } | undefined;

test.before(async () => {
  if (obstacle !== undefined)
    return void process.stderr.write(`\n*** THE TESTS OF REAL NETWORK PARTITIONS ARE SKIPPED: ${obstacle} ***\n\n`);
  const network = new NodeNetwork(3);
  within = { network, cluster: await startCluster({ network, directives: fullSize ? {} : quick }) };
});

test.after.always(async () => {
  await within?.cluster.stop();
  within?.network.remove();
  process.stderr.write(`\n${partitions} real partitions ran\n`);
});

/** What all tests here share; undefined = skipped. Heals it, and says what the servers printed last, when the test fails. */
function shared(t: ExecutionContext): typeof within {
  t.timeout(sized(120_000, 900_000));
  if (within === undefined) {
    t.log(`skipped: ${obstacle ?? 'no cluster'}`);
    t.pass();
    return undefined;
  }
  const { cluster, network } = within;
  t.teardown(() => {
    network.heal();
    for (let index = 0; index < cluster.size && !t.passed; index++) t.log(`node ${index + 1}: ${cluster.server(index).lastWords()}`);
  });
  return within;
}

const elapsed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test.serial('a node cut off from both others: they go on, it refuses, and nothing acknowledged is lost', async (t) => {
  const { cluster, network } = shared(t) ?? {};
  if (cluster === undefined || network === undefined) return;
  for (let round = 0; round < rounds; round++) {
    const alone = (2 + round) % 3;
    const others = cluster.ports.filter((_, index) => index !== alone);
    const endless = { operations: Number.MAX_SAFE_INTEGER, perSecond, registers: 1024, connections: 4 };
    const many = startLoad({ ...endless, ports: others, seed: 2 * round + 1 });
    const one = startLoad({ ...endless, ports: [cluster.ports[alone] ?? 0], seed: 2 * round + 2 });
    await Promise.all([many.reached(1_000), one.reached(1_000)]);
    many.takeLongestGapMs();
    network.isolate(alone);
    partitions++;
    const before = many.operations;
    await elapsed(cutMs); // the cut itself
    const meanwhile = many.operations - before;
    const gapMs = many.takeLongestGapMs();
    network.heal();
    await Promise.all([many.reached(many.operations + 1_000), one.reached(one.operations + 1_000)]);
    const reports = await Promise.all([many.stop(), one.stop()]);
    const equalMs = await replicasEqual(cluster, [...keysOf(many), ...keysOf(one)], equalWithinMs);
    for (const load of [many, one]) for (const port of cluster.ports) await load.verify(port);
    t.log(`cut off node ${alone + 1}: ${meanwhile} operations of the others meanwhile, longest gap ${gapMs} ms; ${figures(reports[0])}`);
    t.log(`at the one alone: ${figures(reports[1])}; replicas equal after ${Math.round(equalMs)} ms`);
    for (const load of [many, one]) assertSound(t, load.report());
    t.true(meanwhile > 100, `${meanwhile} operations while one was cut off`);
    t.true((reports[1].errors['NOREPLICAS'] ?? 0) > 0, 'who is alone refuses');
  }
});

test.serial('packets of one node to another are lost, one way: clients of both and of the third lose nothing', async (t) => {
  const { cluster, network } = shared(t) ?? {};
  if (cluster === undefined || network === undefined) return;
  for (let round = 0; round < rounds; round++) {
    const [from, to] = [round % 3, (round + 1) % 3];
    const load = startLoad({
      ports: cluster.ports,
      operations: Number.MAX_SAFE_INTEGER,
      perSecond,
      registers: 1024,
      connections: 6,
      seed: round + 1,
    });
    await load.reached(2_000);
    load.takeLongestGapMs();
    network.cut(from, to);
    partitions++;
    const before = load.operations;
    await elapsed(cutMs); // the cut itself
    const meanwhile = load.operations - before;
    const gapMs = load.takeLongestGapMs();
    network.heal();
    await load.reached(load.operations + 2_000);
    await load.stop();
    const equalMs = await replicasEqual(cluster, keysOf(load), equalWithinMs);
    for (const port of cluster.ports) await load.verify(port);
    const report = load.report();
    t.log(
      `from node ${from + 1} to node ${to + 1}: ${meanwhile} operations meanwhile, longest gap ${gapMs} ms; replicas equal after ${Math.round(equalMs)} ms; ${figures(report)}`,
    );
    assertSound(t, report);
    t.true(meanwhile > 100, `${meanwhile} operations while packets were lost`);
  }
});

test.serial('both sides write with W=1: increments add up, one value of each key wins everywhere, and TORC CONFLICTS tells', async (t) => {
  const { cluster, network } = shared(t) ?? {};
  if (cluster === undefined || network === undefined) return;
  const [one, other] = [2, 0];
  const keys = Array.from({ length: 100 }, (_, index) => `contested:${index}`);
  for (let round = 0; round < rounds; round++) {
    const sides = await Promise.all([one, other].map((node) => RespConnection.alone(cluster.server(node).port)));
    for (const side of sides) await side.all(keys.map((key) => ['SET', key, 'before']));
    await sides[0]?.all([['DEL', 'sum']]);
    network.isolate(one);
    partitions++;
    let added = 0;
    let unknown = 0;
    const ends = performance.now() + cutMs + 3_000;
    const settled = await Promise.all(
      sides.map(async (side, at) => {
        // Each has to have noticed that it is on its own: what it refuses or does not know until then it asks again.
        const left = new Set(keys);
        while (left.size > 0 && performance.now() < ends) {
          for (const key of left) {
            const { text } = await side.ask('SET', key, `by ${at}`);
            if (text === 'OK') left.delete(key);
          }
        }
        for (let i = 0; i < 50; i++) {
          const { kind, text } = await side.ask('INCR', 'sum');
          if (kind === 'integer') added++;
          else if (!text.startsWith('NOREPLICAS')) unknown++;
        }
        return left.size;
      }),
    );
    network.heal();
    const equalMs = await replicasEqual(cluster, [...keys, 'sum'], equalWithinMs);
    t.deepEqual(settled, [0, 0]);
    const seen = new Set<string>();
    for (const port of cluster.ports) {
      const node = await RespConnection.alone(port);
      seen.add(JSON.stringify(await node.values([...keys, 'sum'])));
      node.close();
    }
    t.is(seen.size, 1, 'every replica shows the same');
    const shown = JSON.parse([...seen][0] ?? '[]') as string[];
    const sum = Number(shown.pop());
    t.true(sum >= added && sum <= added + unknown, `${sum} of ${added} acknowledged, ${unknown} unknown`);
    t.true(shown.every((value) => value === 'by 0' || value === 'by 1'));
    const asked = await Promise.all(cluster.ports.map((port) => RespConnection.open(port)));
    const met = await Promise.all(asked.map((connection) => connection.figure('torc', 'conflicts_string')));
    t.true(Math.max(...met) >= keys.length / 2, `${met.join()} conflicts of ${keys.length} keys`);
    // The next write that sees both covers them. One whose coordinator was superseded meanwhile is written twice (decision 21), and met by the write after it.
    let open: number[] = [];
    for (let write = 0; write < 3 && open.every((figure) => figure > 0); write++) {
      await asked[0]?.all(keys.map((key) => ['SET', key, `after ${write}`]));
      await replicasEqual(cluster, keys, equalWithinMs);
      open = await Promise.all(asked.map((connection) => connection.figure('torc', 'conflicts_open')));
    }
    t.deepEqual(open, [0, 0, 0]);
    t.log(`${met.join()} conflicts met, sum ${sum} of ${added} acknowledged and ${unknown} unknown; equal after ${Math.round(equalMs)} ms`);
    for (const connection of [...asked, ...sides]) connection.close();
  }
});
