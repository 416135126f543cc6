/**
 * Gossip in simulated clusters of the product's own nodes: what a node that is silent, stopped, restarted or moved is taken for, by whom and when; and how
 * fast and dear it is with a hundred nodes more that are no members and do nothing but gossip (the product's own Peers and Gossiper, without a store).
 */
import test from 'ava';
import type { NodeHealth } from '../../cluster/node-health.js';
import { Gossiper } from '../../cluster/gossiper.js';
import type { Reply } from '../../protocol/resp/reply.js';
import { Peers } from '../../cluster/peers.js';
import type { MemberStatus } from '../../cluster/gossip-state.js';
import { textOf } from './simulated-clients.js';
import { TorcCluster, type TorcSettings } from './torc-cluster.js';

const port = 16379;
const directives = { gossipIntervalMs: 1000, phiThreshold: 8, suspicionTimeoutMs: 5000, peerTimeoutMs: 1000 };
/** Heartbeats come each second: phi over a link passes 8 some 2.3 s after the last one, a little later while the rhythm is young. */
const suspectedMs = { least: 1000, most: 3200 };

async function started(settings: TorcSettings = {}, seed = 1): Promise<TorcCluster> {
  const cluster = new TorcCluster(seed, { network: { spikeChance: 0 }, ...settings });
  await cluster.startAll();
  await cluster.scheduler.runFor(30_000, () => cluster.allWell());
  await cluster.scheduler.runFor(5000);
  return cluster;
}

function healthAt(cluster: TorcCluster, observer: string, name: string): NodeHealth {
  const health = cluster.runningNow(observer).node.view.health();
  const found = health.find((one) => one.name === name);
  if (found === undefined) throw new Error(`${observer} knows nothing of ${name}`);
  return found;
}

/** Simulated ms until `observer` takes `name` for `status`; throws when that takes a minute. */
async function until(cluster: TorcCluster, observer: string, name: string, status: MemberStatus): Promise<number> {
  const fromMs = cluster.scheduler.nowMs;
  const isSo = (): boolean => healthAt(cluster, observer, name).status === status;
  await cluster.scheduler.runFor(60_000, isSo);
  if (!isSo()) throw new Error(`${observer} does not take ${name} for ${status}: ${JSON.stringify(healthAt(cluster, observer, name))}`);
  return cluster.scheduler.nowMs - fromMs;
}

async function ask(cluster: TorcCluster, name: string, words: readonly string[]): Promise<string> {
  let reply: Reply | undefined;
  const connection = cluster.connect(name);
  cluster.scheduler.schedule(name, 0, words.join(' '), () => connection.run(words, (answer) => (reply = answer)));
  await cluster.scheduler.runFor(10_000, () => reply !== undefined);
  if (reply === undefined) throw new Error(`${words.join(' ')} is not answered`);
  return textOf(reply);
}

test('a node that stands still is bypassed by phi, down 5 s later, back as soon as it goes on, and blames nobody', async (t) => {
  const cluster = await started();
  const before = healthAt(cluster, 'a', 'c');
  t.is(before.status, 'up');
  cluster.scheduler.pause('c');
  const suspected = await until(cluster, 'a', 'c', 'suspected');
  const down = await until(cluster, 'a', 'c', 'down');
  await until(cluster, 'b', 'c', 'down');
  t.log(`suspected after ${Math.round(suspected)} ms, down ${Math.round(down)} ms later`);
  t.true(suspected > suspectedMs.least && suspected < suspectedMs.most, `${suspected}`);
  t.true(down >= 4900 && down < 5300, `${down}`);
  await cluster.scheduler.runFor(20_000);
  t.is(healthAt(cluster, 'a', 'c').status, 'down');
  const fromMs = cluster.scheduler.nowMs;
  cluster.scheduler.resume('c');
  let blamed: string | undefined;
  const isBack = (): boolean => {
    for (const other of ['a', 'b']) if (healthAt(cluster, 'c', other).status === 'down') blamed = other;
    return ['a', 'b'].every((observer) => healthAt(cluster, observer, 'c').status === 'up');
  };
  await cluster.scheduler.runFor(10_000, isBack);
  const back = cluster.scheduler.nowMs - fromMs;
  t.log(`up again ${Math.round(back)} ms after it went on`);
  t.true(isBack() && back < 3000, `${back}`);
  t.is(blamed, undefined);
  await cluster.scheduler.runFor(5000);
  t.true(healthAt(cluster, 'a', 'c').incarnation > before.incarnation, 'it refuted what was said of it');
  for (const other of ['a', 'b']) t.is(cluster.runningNow(other).node.gossiper.view.refutations, 0, 'it accused nobody');
});

test('one direction between two nodes is dead: the deaf one bypasses the other, nobody takes it for down, and commands are served', async (t) => {
  const cluster = await started();
  const incarnation = healthAt(cluster, 'c', 'a').incarnation;
  cluster.network.block('a', 'b');
  const suspected = await until(cluster, 'b', 'a', 'suspected');
  t.true(suspected < suspectedMs.most, `${suspected}`);
  t.false(cluster.runningNow('b').node.membership.isReachable(0));
  t.is(await ask(cluster, 'b', ['SET', 'k', 'v']), 'OK');
  const seen = new Set<string>();
  await cluster.scheduler.runFor(30_000, () => {
    seen.add(`b ${healthAt(cluster, 'b', 'a').status}`).add(`c ${healthAt(cluster, 'c', 'a').status}`);
    return false;
  });
  t.deepEqual([...seen].sort(), ['b suspected', 'c up']);
  t.is(cluster.runningNow('b').node.gossiper.view.get('a')?.state.status, 'up', 'its heartbeats come by way of c');
  cluster.network.unblock('a', 'b');
  await until(cluster, 'b', 'a', 'up');
  t.true(healthAt(cluster, 'c', 'a').incarnation >= incarnation);
});

test('a node that hears all and is heard by none is down for them, and refutes that once it is heard', async (t) => {
  const cluster = await started();
  const { incarnation } = healthAt(cluster, 'b', 'a');
  for (const other of ['b', 'c']) cluster.network.block('a', other);
  for (const other of ['b', 'c']) await until(cluster, other, 'a', 'down');
  for (const other of ['b', 'c']) cluster.network.unblock('a', other);
  for (const other of ['b', 'c']) await until(cluster, other, 'a', 'up');
  await cluster.scheduler.runFor(5000);
  const after = healthAt(cluster, 'b', 'a');
  t.true(after.incarnation > incarnation, `${after.incarnation}`);
  t.is(cluster.runningNow('a').node.gossiper.view.refutations, 1);
});

test('a node that was killed and started again is known by a new incarnation, and is never down', async (t) => {
  const cluster = await started();
  const { incarnation } = healthAt(cluster, 'a', 'b');
  cluster.scheduler.crash('b', 'process');
  t.true((await until(cluster, 'a', 'b', 'suspected')) < 100, 'its links broke');
  await cluster.scheduler.runFor(1000);
  cluster.start('b');
  const seen = new Set<MemberStatus>();
  await cluster.scheduler.runFor(20_000, () => {
    seen.add(healthAt(cluster, 'a', 'b').status);
    return cluster.allWell() && healthAt(cluster, 'c', 'b').incarnation > incarnation;
  });
  t.true(healthAt(cluster, 'a', 'b').incarnation > incarnation);
  t.deepEqual([...seen], ['suspected', 'up']);
});

test('nodes that come back elsewhere are found, by gossip and by seeds that are DNS names', async (t) => {
  const names = ['a', 'b', 'c'];
  const cluster = new TorcCluster(3, { seeds: ['seeds'] });
  cluster.network.setName('seeds', names);
  await cluster.startAll();
  await cluster.scheduler.runFor(30_000, () => cluster.allWell());
  const move = (name: string, host: string): void => {
    cluster.scheduler.crash(name, 'process');
    cluster.move(name, host);
    cluster.start(name);
  };
  move('b', 'b2');
  await cluster.scheduler.runFor(500);
  await cluster.scheduler.runFor(30_000, () => cluster.allWell());
  t.true(cluster.allWell());
  t.is(cluster.runningNow('a').node.gossiper.view.get('b')?.description.host, 'b2');
  // All at once: the addresses in the configuration lead nowhere, the name to where they are now.
  cluster.network.setName('seeds', ['a3', 'b3', 'c3']);
  for (const name of names) move(name, `${name}3`);
  await cluster.scheduler.runFor(500);
  await cluster.scheduler.runFor(60_000, () => cluster.allWell());
  t.true(cluster.allWell());
  t.is(await ask(cluster, 'a', ['SET', 'k', 'v']), 'OK');
});

/** A node that is no member and only gossips. */
interface Gossiping {
  readonly name: string;
  readonly gossiper: Gossiper;
}

function startGossiping(cluster: TorcCluster, name: string, seeds: readonly string[]): Gossiping {
  const clock = cluster.scheduler.clockFor(name);
  const random = cluster.random.fork(name);
  const self = { nodeId: name, host: name, clientPort: 6379, peerPort: port, zone: '', hostLabel: name };
  const transport = cluster.network.transportFor(name, { host: name, port });
  const log = (): void => undefined;
  const peers: Peers = new Peers(
    {
      transport,
      clock,
      random,
      clusterName: 'simulated',
      self,
      incarnation: random.integer(2 ** 32),
      suspicion: directives,
      unackedBytesMax: 1,
      counter: () => 1,
      schedule: () => undefined,
      log,
    },
    {
      opened: () => undefined,
      broken: () => undefined,
      frame: () => false,
      changed: () => undefined,
      suspected: () => undefined,
      gossip: (stream, message) => gossiper.answer(stream, message),
    },
  );
  const gossiper: Gossiper = new Gossiper({
    self,
    clockMs: () => clock.wallMs(),
    seeds: seeds.map((host) => ({ host, port })),
    transport,
    clock,
    random,
    directives,
    greeting: () => peers.greeting(),
    ownWords: () => ({ clock: clock.wallMs(), load: 0, seen: Buffer.alloc(0) }),
    changed: () => undefined,
    rounded: () => undefined,
    log,
  });
  peers.listen();
  gossiper.start();
  return { name, gossiper };
}

test('a hundred nodes more that gossip: views converge in O(log n) rounds, at a constant number of messages a node', async (t) => {
  t.timeout(120_000);
  const members = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const cluster = await started({ nodes: members });
  const { scheduler } = cluster;
  const gossiping: Gossiping[] = members.map((name) => ({ name, gossiper: cluster.runningNow(name).node.gossiper }));
  const secondsUntil = async (done: () => boolean, mostMs: number): Promise<number> => {
    const fromMs = scheduler.nowMs;
    for (let ms = 100; ms <= mostMs && !done(); ms += 100) await scheduler.runUntil(fromMs + ms);
    if (!done()) throw new Error(`not within ${mostMs} ms`);
    return (scheduler.nowMs - fromMs) / 1000;
  };
  const total = (what: 'messagesOut' | 'bytesOut' | 'messagesIn'): number =>
    gossiping.reduce((sum, { gossiper }) => sum + gossiper.traffic[what], 0);
  const statuses = (): Map<MemberStatus, number> => {
    const count = new Map<MemberStatus, number>();
    for (const { gossiper } of gossiping) {
      for (const { state } of gossiper.view.others()) count.set(state.status, (count.get(state.status) ?? 0) + 1);
    }
    return count;
  };

  const messages: number[] = [];
  for (const size of [14, 54, 107]) {
    // They start at once and know two seeds.
    while (gossiping.length < size) gossiping.push(startGossiping(cluster, `g${gossiping.length}`, ['a', 'b']));
    const met = await secondsUntil(() => gossiping.every(({ gossiper }) => gossiper.view.size === size), 60_000);
    const [first] = gossiping;
    if (first === undefined) throw new Error('nobody gossips');
    // How long one heartbeat takes to be heard of everywhere, from its beginning.
    const { nodeId, incarnation } = first.gossiper.view.ownState;
    const heartbeat = first.gossiper.view.ownState.heartbeat + 1;
    await scheduler.runFor(2000, () => first.gossiper.view.ownState.heartbeat === heartbeat);
    const spread = await secondsUntil(
      () =>
        gossiping.every(({ name, gossiper }) => {
          const state = gossiper.view.get(nodeId)?.state;
          return name === nodeId || (state !== undefined && state.incarnation === incarnation && state.heartbeat >= heartbeat);
        }),
      30_000,
    );
    await scheduler.runFor(2000);
    const [messagesBefore, bytesBefore] = [total('messagesOut'), total('bytesOut')];
    await scheduler.runFor(5000);
    const perNode = (sum: number): number => sum / size / 5;
    const messagesPerSecond = perNode(total('messagesOut') - messagesBefore);
    const bytesPerSecond = perNode(total('bytesOut') - bytesBefore);
    messages.push(messagesPerSecond);
    const log = Math.log2(size);
    t.log(
      `${size} nodes (log2 ${log.toFixed(1)}): all know all after ${met.toFixed(1)} rounds, one heartbeat is everywhere after ${spread.toFixed(1)}; ` +
        `${messagesPerSecond.toFixed(1)} messages and ${Math.round(bytesPerSecond)} bytes sent by a node a second`,
    );
    t.true(met <= 2 * log, `${met}`);
    t.true(spread <= 1.5 * log, `${spread}`);
    t.true(bytesPerSecond < 150 * size + 1000, `${bytesPerSecond}`);
    t.deepEqual([...statuses().keys()], ['up'], 'nobody is taken for silent who is not');
  }
  for (const each of messages) t.true(each < 8, `${each}`);

  scheduler.crash('g106', 'process');
  const left = gossiping.filter(({ name }) => name !== 'g106');
  const down = await secondsUntil(() => left.every(({ gossiper }) => gossiper.view.get('g106')?.state.status === 'down'), 60_000);
  t.log(`one is killed: down for all after ${down.toFixed(1)} s`);
  t.true(down < 20, `${down}`);
  t.is(await ask(cluster, 'a', ['SET', 'k', 'v']), 'OK');
});

test('a whole node that came too late to be a member gossips with those that are, and they show it', async (t) => {
  const cluster = new TorcCluster(5, { nodes: ['a', 'b', 'c', 'late'], initialNodes: 3, seeds: ['a'] });
  const { scheduler } = cluster;
  for (const name of ['a', 'b', 'c']) cluster.start(name);
  await scheduler.runFor(60_000, () => ['a', 'b', 'c'].every((name) => cluster.running(name)?.node.isReady === true));
  cluster.start('late');
  await scheduler.runFor(10_000);
  t.false(cluster.runningNow('late').node.isReady);
  for (const observer of ['a', 'b', 'c']) {
    const { member, status } = healthAt(cluster, observer, 'late');
    t.deepEqual({ member, status }, { member: false, status: 'up' }, observer);
    t.is(cluster.runningNow('late').node.gossiper.view.get(observer)?.state.status, 'up');
  }
  scheduler.crash('late', 'machine');
  await until(cluster, 'c', 'late', 'down');
  t.is(await ask(cluster, 'b', ['SET', 'k', 'v']), 'OK');
});
