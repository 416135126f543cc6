/** The simulation itself: the same seed gives the same run, streams keep their order, clocks and crashes are as promised. */
import test from 'ava';
import type { PeerStream } from '../../cluster/transport.js';
import { EchoCluster, addressOf } from './echo-cluster.js';
import { describePlan, faultKinds, faultTarget, planFaults, schedulePlan, type FaultPlan } from './faults.js';
import { SeededRandom } from './random.js';
import { SIMULATION_START_MS, Scheduler } from './simulated-clock.js';
import type { Workload } from './simulated-clients.js';
import { swarmOf } from './swarm.js';
import { SimulatedNetwork } from './simulated-network.js';

interface Run {
  readonly hash: string;
  readonly plan: FaultPlan;
  readonly cluster: EchoCluster;
}

/** Ten simulated seconds with faults, then ten to heal. */
async function run(seed: number): Promise<Run> {
  const cluster = new EchoCluster(seed);
  const { scheduler, network, disks, nodes } = cluster;
  const plan = planFaults(cluster.random, { nodes, fromMs: 1000, untilMs: 10_000 });
  schedulePlan(
    scheduler,
    plan,
    faultTarget(scheduler, network, disks, (node) => cluster.start(node)),
    nodes,
  );
  for (const node of nodes) cluster.start(node);
  await scheduler.runUntil(60_000, () => scheduler.nowMs > 30_000);
  return { hash: scheduler.traceHash(), plan, cluster };
}

test('the same seed gives the same trace twice, another seed another, and all faults heal', async (t) => {
  const hashes = new Set<string>();
  const kinds = new Set<string>();
  for (let seed = 1; seed <= 6; seed++) {
    const first = await run(seed);
    const second = await run(seed);
    t.is(first.hash, second.hash, `seed ${seed}`);
    hashes.add(first.hash);
    for (const { fault } of first.plan.faults) kinds.add(fault.kind);
    t.deepEqual(first.cluster.disorder, [], describePlan(first.plan));
    t.true(first.cluster.nodes.every((node) => first.cluster.scheduler.isUp(node) && !first.cluster.scheduler.isPaused(node)));
    const before = first.cluster.echoes;
    t.is(first.cluster.network.openStreams, 6, describePlan(first.plan));
    await first.cluster.scheduler.runFor(1000);
    t.true(first.cluster.echoes > before + 200, 'lines flow again');
  }
  t.is(hashes.size, 6);
  t.true(kinds.size >= 6, [...kinds].join());
});

test('the swarm has seeds in which disks are nearly full, seeds in which nearly everything goes in pieces, and both of neither', (t) => {
  const drawn = Array.from({ length: 200 }, (_, seed) => swarmOf(seed));
  for (const nearlyFull of [true, false])
    for (const tiny of [true, false]) {
      const alike = drawn.filter(
        (settings) => settings.nearlyFull === nearlyFull && (settings.cluster?.largeBytes ?? Infinity) < 30 === tiny,
      );
      t.true(alike.length > 2, `${nearlyFull} ${tiny}: ${alike.length}`);
    }
});

test('the swarm has every workload, and none that both sides of a partition may lose where both take writes', (t) => {
  const drawn = Array.from({ length: 200 }, (_, seed) => swarmOf(seed));
  const seedsOf = (workload: Workload, sloppy: boolean): number =>
    drawn.filter(({ clients, cluster }) => clients?.workloads?.includes(workload) === true && cluster?.sloppyQuorum === sloppy).length;
  const everywhere: Workload[] = [
    'register',
    'counter',
    'volatile',
    'brief',
    'group',
    'set',
    'rank',
    'field',
    'tally',
    'score',
    'place',
    'queue',
    'cell',
    'log',
    'feed',
    'sketch',
  ];
  for (const workload of everywhere) t.true(seedsOf(workload, false) > 10 && seedsOf(workload, true) > 0, workload);
  for (const workload of ['list', 'bitmap'] as const) {
    t.true(seedsOf(workload, false) > 10, workload);
    t.is(seedsOf(workload, true), 0, workload);
  }
});

test('plans: bounded, by time, with at most so many nodes away, and some kinds off', (t) => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const plan = planFaults(new SeededRandom(seed), { nodes: ['a', 'b', 'c'], fromMs: 100, untilMs: 20_000 });
    t.true(plan.kinds.length > 0);
    let last = 0;
    for (const { fault, atMs, endsAtMs } of plan.faults) {
      seen.add(fault.kind);
      t.true(plan.kinds.includes(fault.kind) && atMs >= last && atMs >= 100 && endsAtMs >= atMs && endsAtMs <= 20_000);
      last = atMs;
    }
    const away = plan.faults.filter(({ fault }) => ['kill', 'power', 'pause', 'isolate'].includes(fault.kind));
    away.forEach((fault, at) => t.true(at === 0 || (away[at - 1]?.endsAtMs ?? 0) <= fault.atMs));
  }
  t.deepEqual([...seen].sort(), [...faultKinds].sort());
  t.deepEqual(planFaults(new SeededRandom(1), { nodes: ['a', 'b'], fromMs: 0, untilMs: 1000, kinds: ['jump'] }).kinds, ['jump']);
});

test('chance: forks do not shift each other, and whole numbers stay below their bound', (t) => {
  const draws = (random: SeededRandom): number[] => Array.from({ length: 5 }, () => random.integer(1000));
  const parent = new SeededRandom(7);
  const before = draws(parent.fork('x'));
  draws(parent);
  t.deepEqual(draws(parent.fork('x')), before);
  t.notDeepEqual(draws(parent.fork('y')), before);
  t.notDeepEqual(draws(new SeededRandom(8).fork('x')), before);
  const counts = [0, 0, 0, 0, 0, 0];
  const die = new SeededRandom(3);
  for (let at = 0; at < 60_000; at++) {
    const face = die.integer(6);
    counts[face] = (counts[face] ?? 0) + 1;
  }
  t.true(counts.length === 6 && counts.every((count) => Math.abs(count - 10_000) < 500), counts.join());
  t.throws(() => die.integer(0), { instanceOf: RangeError });
});

test("a turn: the event, its continuations, then what was left for the turn's end, until nothing is left", async (t) => {
  const scheduler = new Scheduler();
  const clock = scheduler.clockFor('a');
  const order: string[] = [];
  clock.after(1, () => {
    clock.atTurnEnd(() => {
      order.push('end 1');
      clock.atTurnEnd(() => order.push('end 3'));
    });
    clock.atTurnEnd(() => order.push('end 2'));
    void (async () => {
      for (let hop = 0; hop < 100; hop++) await Promise.resolve();
      order.push('continuation');
    })();
    order.push('event');
  });
  clock.after(1, () => order.push('due event'));
  clock.after(1.01, () => order.push('while busy'));
  clock.after(1.02, () => {
    order.push('also while busy');
    clock.atTurnEnd(() => order.push('its end'));
  });
  clock.after(1.025, () => order.push('due with it'));
  await scheduler.runUntil(10);
  t.deepEqual(order, [
    'event',
    'continuation',
    'due event',
    'end 1',
    'end 2',
    'end 3',
    'while busy',
    'also while busy',
    'due with it',
    'its end',
  ]);
});

test('what a node throws ends the run', async (t) => {
  const scheduler = new Scheduler();
  scheduler.clockFor('a').after(1, () => {
    throw new Error('a bug');
  });
  await t.throwsAsync(scheduler.runUntil(10), { message: 'a bug' });
  t.regex(scheduler.recentTrace().at(-1) ?? '', /a timer 1/);
});

test('clocks: skewed, drifting, jumping; monotonic ones never go back and begin anew with the machine', async (t) => {
  const scheduler = new Scheduler();
  const clock = scheduler.clockFor('a', { skewMs: -5000, driftPpm: 100_000 });
  t.is(clock.wallMs(), SIMULATION_START_MS - 5000);
  let ranAtMs = 0;
  clock.after(110, () => (ranAtMs = clock.monotonicMs()));
  clock.after(50, () => t.fail('cancelled')).cancel();
  await scheduler.runUntil(99.9);
  t.is(ranAtMs, 0);
  await scheduler.runUntil(1000);
  t.true(ranAtMs >= 110 && ranAtMs < 110.01);
  t.is(clock.wallMs(), SIMULATION_START_MS - 5000 + 1100);
  clock.jump(3_600_000);
  t.is(clock.wallMs(), SIMULATION_START_MS - 5000 + 1100 + 3_600_000);
  t.is(Math.round(clock.monotonicMs()), 1100);
  scheduler.crash('a', 'process');
  t.is(scheduler.bootOf('a'), 1);
  t.is(Math.round(scheduler.clockFor('a').monotonicMs()), 1100);
  scheduler.crash('a', 'machine');
  t.is(scheduler.bootOf('a'), 2);
  t.is(scheduler.clockFor('a').monotonicMs(), 0);
});

test('a crashed incarnation does nothing more; a paused one catches up in order', async (t) => {
  const scheduler = new Scheduler();
  const old = scheduler.clockFor('a');
  old.after(10, () => t.fail('of a crashed incarnation'));
  old.atTurnEnd(() => t.fail('of a crashed incarnation'));
  scheduler.crash('a', 'process');
  const clock = scheduler.clockFor('a');
  old.after(1, () => t.fail('asked of a crashed incarnation'));
  const order: number[] = [];
  for (const ms of [30, 20, 25, 60]) clock.after(ms, () => order.push(ms));
  await scheduler.runUntil(15);
  scheduler.pause('a');
  await scheduler.runUntil(50);
  t.deepEqual(order, []);
  t.is(Math.round(clock.monotonicMs()), 50);
  scheduler.resume('a');
  await scheduler.runUntil(50);
  t.deepEqual(order, [20, 25, 30]);
  await scheduler.runUntil(100);
  t.deepEqual(order, [20, 25, 30, 60]);
});

/** One stream from a to b, and what each side heard. */
class Pair {
  readonly scheduler = new Scheduler();
  readonly network: SimulatedNetwork;
  readonly heard: Record<'a' | 'b', string> = { a: '', b: '' };
  readonly closed: Partial<Record<'a' | 'b', string>> = {};
  readonly closedAtMs: Partial<Record<'a' | 'b', number>> = {};
  readonly chunks: number[] = [];
  near: PeerStream | undefined;
  far: PeerStream | undefined;
  failure: string | undefined;

  constructor(seed: number) {
    this.network = new SimulatedNetwork(this.scheduler, new SeededRandom(seed));
    this.network.transportFor('b', addressOf('b')).listen((stream) => {
      this.far = stream;
      return this.#events('b');
    });
  }

  async connect(): Promise<void> {
    const failed = (reason: string): void => void (this.failure = reason);
    const opened = (stream: PeerStream): void => void (this.near = stream);
    this.network.transportFor('a', addressOf('a')).connect(addressOf('b'), this.#events('a'), opened, failed);
    await this.scheduler.runFor(10_000, () => this.near !== undefined || this.failure !== undefined);
  }

  #events(side: 'a' | 'b'): { data(chunk: Buffer): void; closed(reason: string): void } {
    return {
      data: (chunk) => {
        if (this.closed[side] !== undefined) throw new Error('data after closed');
        this.heard[side] += chunk.toString();
        this.chunks.push(chunk.length);
      },
      closed: (reason) => {
        if (this.closed[side] !== undefined) throw new Error('closed twice');
        this.closed[side] = reason;
        this.closedAtMs[side] = this.scheduler.nowMs;
      },
    };
  }
}

const text = (length: number): string => Array.from({ length }, (_, at) => String.fromCharCode(97 + (at % 26))).join('');

test('streams: bytes arrive in order, cut anew; an end comes after them', async (t) => {
  const sizes = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const pair = new Pair(seed);
    await pair.connect();
    const whole = text(5000);
    for (let at = 0; at < whole.length; at += 100)
      pair.near?.write([Buffer.from(whole.slice(at, at + 50)), Buffer.from(whole.slice(at + 50, at + 100))]);
    pair.far?.write([Buffer.from('back')]);
    await pair.scheduler.runFor(1000);
    t.is(pair.heard.b, whole);
    t.is(pair.heard.a, 'back');
    pair.near?.write([Buffer.from('last')]);
    pair.near?.close();
    t.is(pair.closed.a, undefined);
    await pair.scheduler.runFor(1000);
    t.is(pair.heard.b, `${whole}last`);
    t.deepEqual(pair.closed, { a: 'closed here', b: 'closed by the peer' });
    t.is(pair.network.openStreams, 0);
    for (const size of pair.chunks) sizes.add(size);
  }
  t.true(sizes.size > 50 && [...sizes].some((size) => size > 100) && sizes.has(1));
});

test('a broken stream: a prefix at most arrives, both sides hear of it, sometimes one of them late', async (t) => {
  let late = 0;
  let lost = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const pair = new Pair(seed);
    await pair.connect();
    const whole = text(500);
    for (let at = 0; at < 500; at += 10) pair.near?.write([Buffer.from(whole.slice(at, at + 10))]);
    await pair.scheduler.runFor(0.5);
    pair.network.breakStreams('a', 'b');
    pair.near?.write([Buffer.from('too late')]);
    await pair.scheduler.runFor(20_000);
    t.true(whole.startsWith(pair.heard.b));
    if (pair.heard.b.length < whole.length) lost++;
    t.deepEqual(pair.closed, { a: 'connection reset', b: 'connection reset' });
    if (Math.abs((pair.closedAtMs.a ?? 0) - (pair.closedAtMs.b ?? 0)) > 500) late++;
  }
  t.true(lost > 30 && late > 5 && late < 35, `${lost} lost, ${late} late`);
});

test('one way blocked: that direction stalls and goes on, or breaks; new connections fail', async (t) => {
  const pair = new Pair(1);
  await pair.connect();
  pair.network.block('a', 'b');
  pair.near?.write([Buffer.from('there')]);
  pair.far?.write([Buffer.from('back')]);
  await pair.scheduler.runFor(1000);
  t.deepEqual(pair.heard, { a: 'back', b: '' });
  pair.network.unblock('a', 'b');
  await pair.scheduler.runFor(1000);
  t.is(pair.heard.b, 'there');
  pair.network.block('a', 'b');
  pair.near?.write([Buffer.alloc(300 * 1024, 'x')]);
  t.is(pair.near?.bufferedBytes, 300 * 1024 - pair.network.settings.socketBufferBytes);
  await pair.scheduler.runFor(40_000);
  t.deepEqual(pair.closed, { a: 'timed out', b: 'timed out' });
  t.is(pair.heard.b, 'there');
  t.is(pair.near?.bufferedBytes, 0);
  pair.near = undefined;
  await pair.connect();
  t.is(pair.failure, 'timed out');
});

test('a crashed process refuses and its streams end; a machine without power is silent', async (t) => {
  const pair = new Pair(2);
  await pair.connect();
  pair.scheduler.crash('b', 'process');
  await pair.scheduler.runFor(100);
  t.deepEqual(pair.closed, { a: 'connection reset' });
  pair.near = undefined;
  await pair.connect();
  t.is(pair.failure, 'connection refused');

  const dark = new Pair(3);
  await dark.connect();
  dark.scheduler.crash('b', 'machine');
  await dark.scheduler.runFor(20_000);
  t.deepEqual(dark.closed, { a: 'timed out' });
  dark.near = undefined;
  await dark.connect();
  t.is(dark.failure, 'timed out');
});

test("a paused node's kernel accepts connections and bytes; the node gets them when it goes on", async (t) => {
  const pair = new Pair(4);
  pair.scheduler.pause('b');
  await pair.connect();
  t.truthy(pair.near);
  pair.near?.write([Buffer.from('early')]);
  await pair.scheduler.runFor(3000);
  t.is(pair.heard.b, '');
  pair.scheduler.resume('b');
  await pair.scheduler.runFor(0);
  t.is(pair.heard.b, 'early');
});

test('slow links are slow one way', async (t) => {
  const pair = new Pair(5);
  await pair.connect();
  pair.network.slow('a', 'b', 5000);
  pair.near?.write([Buffer.from('x')]);
  pair.far?.write([Buffer.from('y')]);
  await pair.scheduler.runFor(4000);
  t.deepEqual(pair.heard, { a: 'y', b: '' });
  await pair.scheduler.runFor(2000);
  t.is(pair.heard.b, 'x');
});
