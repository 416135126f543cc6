/**
 * Sloppy quorums and hinted handoff on five simulated nodes: what a replica missed reaches it from whoever kept it, also when holder or target crash
 * meanwhile; what is kept is bounded; and where the homes of a key are on neither or both sides of a partition, acknowledged increments add up.
 * In every other run of that a node is killed meanwhile. TORC_SEEDS=n runs n seeds of it instead of 12, TORC_SEED=s that one alone.
 */
import test, { type ExecutionContext } from 'ava';
import { partitionOfSlot } from '../../cluster/ring.js';
import { slotOf } from '../../protocol/slot.js';
import type { Reply } from '../../protocol/resp/reply.js';
import { convergenceFault } from './convergence.js';
import { SimulatedClients, textOf } from './simulated-clients.js';
import { TorcCluster, type TorcSettings } from './torc-cluster.js';
import { seeds } from './torc-run.js';

const five = ['a', 'b', 'c', 'd', 'e'];

/** Five nodes, one partition: its homes and those who stand in for them, in order. */
class Scene {
  readonly homes: readonly string[];
  readonly others: readonly string[];

  private constructor(readonly cluster: TorcCluster) {
    this.homes = cluster.homesOf(0);
    const { membership } = cluster.runningNow('a').node;
    this.others = membership.substitutes(0).map((member) => five[member] ?? '');
  }

  static async set(settings: TorcSettings = {}): Promise<Scene> {
    const cluster = new TorcCluster(1, { nodes: five, partitions: 1, sloppyQuorum: true, network: { spikeChance: 0 }, ...settings });
    await cluster.startAll();
    await cluster.scheduler.runFor(3000);
    return new Scene(cluster);
  }

  home(index: number): string {
    return this.homes[index] ?? '';
  }

  other(index: number): string {
    return this.others[index] ?? '';
  }

  run(ms: number, until?: () => boolean): Promise<void> {
    return this.cluster.scheduler.runFor(ms, until);
  }

  /** Takes the nodes down, and waits until nobody reaches them. */
  async crash(...names: readonly string[]): Promise<void> {
    for (const name of names) this.cluster.scheduler.crash(name, 'process');
    await this.run(100);
  }

  async start(...names: readonly string[]): Promise<void> {
    names.forEach(this.cluster.start);
    await this.run(20_000, () => names.every((name) => this.cluster.running(name)?.node.isReady === true));
  }

  /** What the cluster answers to each, given to `name` all at once; nil as null. */
  async ask(name: string, commands: readonly (readonly string[])[]): Promise<(string | null)[]> {
    const connection = this.cluster.connect(name);
    const replies = new Map<number, Reply>();
    this.cluster.scheduler.schedule(name, 0, 'commands', () => {
      commands.forEach((words, index) => connection.run(words, (reply) => replies.set(index, reply)));
    });
    await this.run(20_000, () => replies.size === commands.length);
    return commands.map((words, index) => {
      const reply = replies.get(index);
      if (reply === undefined) throw new Error(`${words.join(' ')} is not answered`);
      return reply === null ? null : textOf(reply);
    });
  }

  async one(name: string, ...words: readonly string[]): Promise<string | null> {
    return (await this.ask(name, [words]))[0] ?? null;
  }

  /** Keys that the node's own record does not show with their value. */
  missing(name: string, values: ReadonlyMap<string, string>): string[] {
    const { entries } = this.cluster.runningNow(name).store.partition(0);
    return [...values].filter(([key, value]) => entries.get(key)?.bytes.toString() !== value).map(([key]) => key);
  }

  figure(name: string, figure: string): number {
    return Number(new Map(this.cluster.runningNow(name).node.statistics()).get(figure) ?? 0);
  }

  hintBytes(name: string): number {
    return this.figure(name, 'hint_bytes');
  }

  /** Cuts `name` off all nodes but those, both ways; returns what undoes it. */
  cutOff(name: string, but: readonly string[]): () => void {
    const { network } = this.cluster;
    const cut = five.filter((other) => other !== name && !but.includes(other));
    for (const other of cut)
      for (const [from, to] of [
        [name, other],
        [other, name],
      ] as const)
        network.block(from, to);
    return () => {
      for (const other of cut)
        for (const [from, to] of [
          [name, other],
          [other, name],
        ] as const)
          network.unblock(from, to);
    };
  }

  async healed(t: ExecutionContext): Promise<void> {
    await this.run(60_000, () => this.cluster.allWell());
    await this.run(20_000, () => five.every((name) => this.hintBytes(name) === 0));
    await this.run(5000);
    t.deepEqual(this.cluster.faults, []);
    t.is(await convergenceFault(this.cluster), undefined);
    for (const name of five) t.is(this.hintBytes(name), 0, `kept at ${name}`);
  }
}

/** A thousand keys with their values, each so many bytes long. */
function thousand(bytes: number): Map<string, string> {
  return new Map(Array.from({ length: 1000 }, (_, index) => [`key${index}`, String(index).padEnd(bytes, '.')]));
}

async function write(t: ExecutionContext, scene: Scene, through: string, values: ReadonlyMap<string, string>): Promise<void> {
  const commands = [...values].map(([key, value]) => ['SET', key, value]);
  for (let at = 0; at < commands.length; at += 50) {
    t.deepEqual([...new Set(await scene.ask(through, commands.slice(at, at + 50)))], ['OK']);
  }
}

for (const [name, between] of Object.entries({
  'the holder goes on': () => Promise.resolve(),
  'the holder is killed': async (scene: Scene) => {
    await scene.crash(scene.other(0));
    await scene.start(scene.other(0));
  },
  'the holder is killed once it has written everything behind': async (scene: Scene) => {
    await scene.run(130_000);
    await scene.crash(scene.other(0));
    await scene.start(scene.other(0));
  },
})) {
  test(`down for a thousand writes and back, reached by the holder of its hints alone: ${name}`, async (t) => {
    const scene = await Scene.set();
    const [first, , last] = scene.homes as [string, string, string];
    await scene.crash(last);
    const values = thousand(20);
    await write(t, scene, first, values);
    await scene.run(100);
    const kept = scene.hintBytes(scene.other(0));
    t.true(kept > 20_000, `${kept} bytes kept`);
    await between(scene);
    t.is(scene.hintBytes(scene.other(0)), kept);
    const reconnect = scene.cutOff(last, [scene.other(0)]);
    await scene.start(last);
    await scene.run(5000, () => scene.missing(last, values).length === 0);
    t.deepEqual(scene.missing(last, values), []);
    t.is(scene.figure(last, 'catch_ups'), 0);
    await scene.run(5000, () => scene.hintBytes(scene.other(0)) === 0);
    t.is(scene.hintBytes(scene.other(0)), 0);
    reconnect();
    await scene.healed(t);
  });
}

test('a planted bug is caught: a holder that forgets a hint now and then', async (t) => {
  const scene = await Scene.set({
    plant: (store) => {
      const keep = store.hints.keep.bind(store.hints);
      let count = 0;
      store.hints.keep = (...hint) => (++count % 10 === 0 ? undefined : keep(...hint));
    },
  });
  const [first, , last] = scene.homes as [string, string, string];
  await scene.crash(last);
  const values = thousand(20);
  await write(t, scene, first, values);
  scene.cutOff(last, [scene.other(0)]);
  await scene.start(last);
  await scene.run(5000);
  const { length } = scene.missing(last, values);
  t.true(length > 0 && length < 1000, `${length} missing`);
});

test('holder and target crash in the middle of the hand-over, in turn, and again', async (t) => {
  const scene = await Scene.set();
  const [first, , last] = scene.homes as [string, string, string];
  const holder = scene.other(0);
  await scene.crash(last);
  const values = thousand(4000);
  await write(t, scene, first, values);
  const reconnect = scene.cutOff(last, [holder]);
  let least = Infinity;
  let crashes = 0;
  for (let round = 0; round < 6; round++) {
    await scene.start(...[last, holder].filter((name) => scene.cluster.running(name) === undefined));
    const before = scene.hintBytes(holder);
    await scene.run(20_000, () => scene.hintBytes(holder) < before - 500_000);
    const { length } = scene.missing(last, values);
    t.true(length <= least, `${length} missing, ${least} before`);
    least = length;
    if (length > 0) crashes++;
    await scene.crash(round % 2 === 0 ? holder : last);
  }
  t.true(crashes >= 4, `${crashes} crashes in the middle`);
  t.true(least < 1000);
  reconnect();
  await scene.start(...five.filter((name) => scene.cluster.running(name) === undefined));
  await scene.healed(t);
  for (const home of scene.homes) t.deepEqual(scene.missing(home, values), []);
});

test('with fewer than W homes reachable: stand-ins make up W under sloppy quorums, and none counts for a read', async (t) => {
  for (const sloppyQuorum of [true, false]) {
    const scene = await Scene.set({ sloppyQuorum });
    const [first, second, third] = scene.homes as [string, string, string];
    await scene.crash(second, third);
    const answer = await scene.one(first, 'SET', 'k', 'v');
    if (sloppyQuorum) t.is(answer, 'OK');
    else t.regex(String(answer), /^NOREPLICAS /);
    await scene.crash(first);
    const alone = await scene.one(scene.other(1), 'INCRBY', 'n', '5');
    if (sloppyQuorum) t.is(alone, '5');
    else t.regex(String(alone), /^NOREPLICAS /);
    for (const name of scene.others) t.regex(String(await scene.one(name, 'GET', 'n')), /^NOREPLICAS /);
    // All who know of it are killed before any home replica is back.
    await scene.crash(...scene.others);
    await scene.start(...five);
    await scene.healed(t);
    if (!sloppyQuorum) continue;
    for (const name of five)
      t.deepEqual(
        await scene.ask(name, [
          ['GET', 'k'],
          ['GET', 'n'],
        ]),
        ['v', '5'],
      );
  }
});

test('a node that takes over asks who keeps hints of the partition, before any is handed over', async (t) => {
  const scene = await Scene.set();
  const [first, second, third] = scene.homes as [string, string, string];
  await scene.crash(second, third);
  t.is(await scene.one(first, 'INCRBY', 'n', '5'), '5');
  await scene.crash(first);
  // Nothing is handed over by itself.
  for (const name of scene.others) scene.cluster.runningNow(name).node.handOff.tick = () => undefined;
  await scene.start(second);
  await scene.run(1000);
  t.deepEqual(scene.missing(second, new Map([['n', '5']])), ['n']);
  t.is(await scene.one(second, 'INCRBY', 'n', '1'), '6');
});

test('what is kept for a node is bounded in bytes: stand-ins take no more, writes that need them are refused, and comparison brings the rest', async (t) => {
  const hintBytesMax = 30_000;
  const scene = await Scene.set({ hintBytesMax });
  const [first, second, third] = scene.homes as [string, string, string];
  await scene.crash(third);
  const values = thousand(100);
  await write(t, scene, first, values);
  await scene.run(100);
  for (const name of five) if (name !== third) t.true(scene.hintBytes(name) <= hintBytesMax, name);
  t.true(scene.hintBytes(scene.other(0)) > hintBytesMax / 2);
  await scene.crash(second);
  const replies = new Map<string, number>();
  for (const [key, value] of values) {
    const code = String(await scene.one(first, 'SET', key, `${value}2`)).split(' ')[0] ?? '';
    replies.set(code, (replies.get(code) ?? 0) + 1);
  }
  t.log(JSON.stringify([...replies]));
  t.deepEqual([...replies.keys()].toSorted(), ['NOREPLICAS', 'OK', 'UNKNOWNOUTCOME']);
  t.true((replies.get('NOREPLICAS') ?? 0) > 10 * (replies.get('UNKNOWNOUTCOME') ?? 0));
  for (const name of [first, ...scene.others]) t.true(scene.hintBytes(name) <= 2 * hintBytesMax, name);
  await scene.start(second, third);
  await scene.healed(t);
});

test('what is kept for a node is bounded in age, and 0 bytes keep nothing: comparison brings it', async (t) => {
  for (const settings of [{ hintAgeMaxMs: 10_000 }, { hintBytesMax: 0 }]) {
    const scene = await Scene.set(settings);
    const [first, , last] = scene.homes as [string, string, string];
    await scene.crash(last);
    const values = thousand(20);
    await write(t, scene, first, values);
    await scene.run(15_000);
    for (const name of [first, ...scene.others]) t.is(scene.hintBytes(name), 0);
    await scene.start(last);
    await scene.run(5000, () => scene.missing(last, values).length === 0);
    t.deepEqual(scene.missing(last, values), []);
    t.true(scene.figure(last, 'catch_ups') > 0);
    t.is(scene.figure(last, 'hints_taken'), 0);
    await scene.healed(t);
  }
});

test('what a node coordinated that is no home reaches the homes though all hints of it were dropped', async (t) => {
  const scene = await Scene.set({ hintAgeMaxMs: 5000 });
  await scene.crash(...scene.homes);
  t.is(await scene.one(scene.other(0), 'INCRBY', 'n', '5'), '5');
  await scene.run(8000);
  for (const name of scene.others) t.is(scene.hintBytes(name), 0, name);
  t.true(scene.figure(scene.other(1), 'hints_dropped') > 0);
  await scene.crash(...scene.others);
  await scene.start(...five);
  await scene.healed(t);
  for (const name of five) t.is(await scene.one(name, 'GET', 'n'), '5');
  for (const home of scene.homes) t.is(scene.figure(home, 'hints_taken'), 0);
});

test("without a stand-in: what a coordinator's memory does not hold for a replica that is away it keeps on disk", async (t) => {
  const nodes = ['a', 'b', 'c'];
  const cluster = new TorcCluster(1, { nodes, partitions: 1, sloppyQuorum: true, hintBytesMax: 100_000, network: { spikeChance: 0 } });
  await cluster.startAll();
  await cluster.scheduler.runFor(3000);
  const [first = '', , last = ''] = cluster.homesOf(0);
  cluster.scheduler.crash(last, 'process');
  await cluster.scheduler.runFor(100);
  const connection = cluster.connect(first);
  let answered = 0;
  for (let index = 0; index < 1300; index++) {
    cluster.scheduler.schedule(first, 0, 'SET', () => connection.run(['SET', `key${index}`, `value${index}`], () => answered++));
    if (index % 20 === 0) await cluster.scheduler.runFor(2);
  }
  await cluster.scheduler.runFor(5000, () => answered === 1300);
  const { handOff } = cluster.runningNow(first).node;
  const [, bytes = 0] = handOff.bytesByMember()[0] ?? [];
  t.true(bytes > 50_000 && bytes <= 100_000, `${bytes} bytes kept`);
  cluster.start(last);
  await cluster.scheduler.runFor(5000);
  t.true(handOff.counts.handedOver > 500, `${handOff.counts.handedOver} handed over`);
  t.deepEqual(handOff.bytesByMember(), []);
  t.is(await convergenceFault(cluster), undefined);
});

test('a hint that arrives a day late resurrects nothing', async (t) => {
  const scene = await Scene.set({ hintAgeMaxMs: 3 * 86_400_000 });
  const [first, , last] = scene.homes as [string, string, string];
  const holder = scene.other(0);
  await scene.crash(last);
  t.is(await scene.one(first, 'SET', 'k', 'v'), 'OK');
  t.is(await scene.one(first, 'INCRBY', 'n', '1'), '1');
  await scene.run(100);
  t.true(scene.hintBytes(holder) > 0);
  await scene.crash(holder);
  await scene.start(last);
  await scene.run(5000);
  t.deepEqual(
    await scene.ask(first, [
      ['DEL', 'k'],
      ['DEL', 'n'],
    ]),
    ['1', '1'],
  );
  await scene.run(3000);
  await scene.crash(...five.filter((name) => name !== holder));
  await scene.run(86_400_000);
  await scene.start(...five);
  await scene.healed(t);
  t.true(scene.figure(last, 'hints_taken') > 0);
  for (const name of five)
    t.deepEqual(
      await scene.ask(name, [
        ['GET', 'k'],
        ['GET', 'n'],
      ]),
      [null, null],
    );
});

test('increments from both sides of a partition add up', async (t) => {
  t.timeout(3_600_000);
  let acknowledged = 0;
  let unclear = 0;
  let stoodIn = 0;
  for (const seed of seeds(4)) {
    const cluster = new TorcCluster(seed, { nodes: five, partitions: 4, sloppyQuorum: true });
    const { scheduler, network, random } = cluster;
    await cluster.startAll();
    await scheduler.runFor(2000);
    const clients = new SimulatedClients(cluster, {
      clients: 10,
      keysPerWorkload: 3,
      workloads: ['counter'],
      thinkMs: 20,
      hereChance: 0,
      pipelineChance: 0.2,
    });
    clients.start();
    await scheduler.runFor(300);
    const side = new Set([random.pick(five), random.pick(five)]);
    const cut = five.flatMap((x) => five.filter((y) => side.has(x) !== side.has(y)).map((y) => [x, y] as const));
    for (const [from, to] of cut) network.block(from, to);
    const killed = seed % 2 === 0 ? random.pick(five) : undefined;
    await scheduler.runFor(1500 + random.integer(2000));
    if (killed !== undefined) scheduler.crash(killed, 'process');
    await scheduler.runFor(500 + random.integer(2000));
    const isBackEarly = random.chance(0.5);
    if (killed !== undefined && isBackEarly) cluster.start(killed);
    await scheduler.runFor(1000);
    for (const [from, to] of cut) network.unblock(from, to);
    await scheduler.runFor(random.integer(1000));
    if (killed !== undefined && !isBackEarly) cluster.start(killed);
    await scheduler.runFor(1000);
    clients.stop();
    await scheduler.runFor(60_000, () => cluster.allWell());
    await scheduler.runFor(8000);
    for (const name of five) stoodIn += cluster.runningNow(name).node.standIns.batchesSent;
    acknowledged += clients.acknowledged;
    unclear += clients.refused + clients.unknown;
    const shown = new Map<string, string | null>();
    for (const key of clients.keys('counter')) {
      const [home = ''] = cluster.homesOf(partitionOfSlot(slotOf(Buffer.from(key)), cluster.partitions));
      const entry = cluster
        .runningNow(home)
        .store.partition(partitionOfSlot(slotOf(Buffer.from(key)), cluster.partitions))
        .entries.get(key);
      shown.set(key, entry?.alive === true ? entry.bytes.toString() : null);
    }
    const fault = cluster.faults[0] ?? (await convergenceFault(cluster)) ?? clients.finalVerdict((key) => shown.get(key) ?? null);
    t.is(fault, undefined, `seed ${seed}, ${[...side].join('')} apart: ${fault}\n${cluster.log.slice(-20).join('\n')}`);
  }
  t.log(`${acknowledged} commands acknowledged, ${unclear} refused or of unknown outcome, ${stoodIn} batches went to stand-ins`);
  t.true(acknowledged > unclear && stoodIn > 0);
});
