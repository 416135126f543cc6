import test from 'ava';
import fc from '../harness/properties.js';
import { type Configuration, encodeConfiguration, type NodeDescription } from '../../cluster/configuration.js';
import {
  decodeFormationDurable,
  decodeFormationMessage,
  encodeFormationDurable,
  encodeFormationMessage,
} from '../../cluster/formation-codec.js';
import {
  beginFormation,
  type FormationDurable,
  FormationError,
  type FormationEffect,
  type FormationMessage,
  type FormationSettings,
  type FormationState,
  formationStatus,
  type FormationStep,
  hello,
  step,
} from '../../cluster/formation.js';

const settings: FormationSettings = { clusterName: 'torc', initialNodes: 3, partitions: 1024, replicas: 3 };

function describe(nodeId: string, peerPort = 16379): NodeDescription {
  return { nodeId, host: '127.0.0.1', clientPort: 6379, peerPort, zone: 'a', hostLabel: 'here' };
}

/** One node as a driver runs it: a state that dies with it, and a disk that does not. Messages and the disk are bytes. */
class Node {
  state!: FormationState;
  formed: Configuration | undefined;
  disk: Buffer | undefined;

  constructor(
    readonly network: Network,
    readonly self: NodeDescription,
    readonly settings: FormationSettings,
  ) {
    this.restart();
  }

  restart(): void {
    const durable: FormationDurable = this.disk === undefined ? {} : decodeFormationDurable(this.disk);
    this.formed = undefined;
    this.perform(beginFormation(this.settings, this.self, durable), Infinity);
  }

  /** Performs the first `effectsMax` effects and dies after them when there are more. */
  perform({ state, effects }: FormationStep, effectsMax: number): void {
    this.state = state;
    for (const effect of effects.slice(0, effectsMax)) this.performOne(effect);
    if (effects.length > effectsMax) this.restart();
  }

  receive(from: string, bytes: Buffer, effectsMax = Infinity): void {
    this.perform(step(this.state, { kind: 'received', from, message: decodeFormationMessage(bytes) }), effectsMax);
  }

  tick(effectsMax = Infinity): void {
    this.perform(step(this.state, { kind: 'tick' }), effectsMax);
  }

  private performOne(effect: FormationEffect): void {
    const { nodeId } = this.self;
    switch (effect.kind) {
      case 'persist':
        this.disk = encodeFormationDurable(effect.durable);
        return;
      case 'send':
        return this.network.send(nodeId, effect.to, effect.message);
      case 'greet':
        for (const to of new Set([...this.network.seeds, ...this.state.met.keys()])) this.network.send(nodeId, to, effect.message);
        return;
      case 'connect':
        return this.network.send(nodeId, effect.node.nodeId, hello(this.state));
      case 'disconnect':
        return;
      case 'formed':
        this.formed = effect.configuration;
        this.network.formed.set(encodeConfiguration(effect.configuration).toString(), effect.configuration);
    }
  }
}

/** Messages on their way, in no order, until somebody delivers or drops them. */
class Network {
  readonly nodes = new Map<string, Node>();
  readonly underWay: { readonly from: string; readonly to: string; readonly bytes: Buffer }[] = [];
  /** Every configuration that any node ever took for chosen. */
  readonly formed = new Map<string, Configuration>();

  constructor(
    count: number,
    readonly seeds: readonly string[],
    nodeSettings: FormationSettings = settings,
  ) {
    for (let i = 1; i <= count; i++) this.add(describe(`n${i}`, 16000 + i), nodeSettings);
  }

  add(self: NodeDescription, nodeSettings = settings): Node {
    const node = new Node(this, self, nodeSettings);
    this.nodes.set(self.nodeId, node);
    return node;
  }

  node(nodeId: string): Node {
    return this.nodes.get(nodeId)!;
  }

  send(from: string, to: string, message: FormationMessage): void {
    this.underWay.push({ from, to, bytes: encodeFormationMessage(message) });
  }

  deliver(index: number, options: { readonly again: boolean; readonly effectsMax: number }): void {
    const [message] = this.underWay.splice(index, 1);
    if (message === undefined) return;
    if (options.again) this.underWay.push(message);
    this.nodes.get(message.to)?.receive(message.from, message.bytes, options.effectsMax);
  }

  /** Everybody ticks, a configured node's links to its members are new once more, and everything sent arrives; as often as it takes to come to rest. */
  settle(rounds = 8): void {
    for (let round = 0; round < rounds; round++) {
      for (const node of this.nodes.values()) {
        node.tick();
        for (const { nodeId } of node.formed?.members ?? []) this.send(node.self.nodeId, nodeId, hello(node.state));
      }
      for (let delivered = 0; this.underWay.length > 0; delivered++) {
        if (delivered > 10_000) throw new Error('messages beget messages without end');
        this.deliver(0, { again: false, effectsMax: Infinity });
      }
    }
  }
}

test('three nodes that meet through one seed form configuration 1, members by node id', (t) => {
  const network = new Network(3, ['n2']);
  network.settle();
  const formed = [...network.nodes.values()].map((node) => node.formed);
  t.deepEqual(
    formed[0]!.members.map(({ number, nodeId }) => [number, nodeId]),
    [
      [1, 'n1'],
      [2, 'n2'],
      [3, 'n3'],
    ],
  );
  t.is(formed[0]!.number, 1);
  t.deepEqual(formed, [formed[0], formed[0], formed[0]]);
  t.is(formationStatus(network.node('n3').state), 'configuration 1 of 3 nodes');
});

test('one initial node forms at once, and remembers it', (t) => {
  const network = new Network(1, [], { ...settings, initialNodes: 1 });
  const node = network.node('n1');
  t.deepEqual(
    node.formed?.members.map(({ nodeId }) => nodeId),
    ['n1'],
  );
  const disk = node.disk;
  node.restart();
  t.truthy(node.formed);
  t.is(node.disk, disk);
});

test('nothing forms while a named node is away, and it forms when that node is back', (t) => {
  const network = new Network(2, ['n1']);
  network.settle();
  t.is(network.formed.size, 0);
  t.is(formationStatus(network.node('n1').state), '2 of 3 initial nodes have met');
  network.add(describe('n3'));
  network.settle();
  t.true([...network.nodes.values()].every((node) => node.formed !== undefined));
});

test('an acceptance is on disk before it is sent, and a second proposal is refused', (t) => {
  const configuration = (memberIds: readonly string[]): Configuration => ({
    number: 1,
    clusterName: 'torc',
    partitions: 1024,
    replicas: 3,
    members: memberIds.map((nodeId, i) => ({ number: i + 1, ...describe(nodeId) })),
  });
  const propose = (state: FormationState, from: string, proposed: Configuration) =>
    step(state, { kind: 'received', from, message: { kind: 'propose', configuration: proposed } });
  const first = configuration(['n1', 'n3', 'n4']);
  const begun = beginFormation(settings, describe('n3'), {}).state;
  const accepted = propose(begun, 'n1', first);
  t.deepEqual(accepted.effects, [
    { kind: 'persist', durable: { accepted: first } },
    { kind: 'send', to: 'n1', message: { kind: 'accept', configuration: first } },
  ]);
  const resumed = beginFormation(settings, describe('n3'), { accepted: first }).state;
  t.deepEqual(propose(resumed, 'n1', first).effects, accepted.effects.slice(1));
  const refusal = propose(resumed, 'n2', configuration(['n2', 'n3', 'n4'])).effects;
  t.deepEqual(refusal, [{ kind: 'send', to: 'n2', message: { kind: 'refuse', reason: "it holds to 'n1', 'n3', 'n4'" } }]);

  const refused = (from: string, proposed: Configuration) => {
    const [effect] = propose(begun, from, proposed).effects;
    return effect?.kind === 'send' && effect.message.kind === 'refuse' ? effect.message.reason : undefined;
  };
  t.is(refused('n2', first), "it proposed 'n1', 'n3', 'n4'");
  t.is(refused('n1', configuration(['n1', 'n2', 'n4'])), "it proposed 'n1', 'n2', 'n4'");
  t.is(refused('n1', configuration(['n1', 'n3'])), 'it proposed 2 members and initial-nodes is 3');
  t.is(refused('n1', { ...first, number: 2 }), 'it proposed configuration 2 to a new node');
  t.is(refused('n1', { ...first, clusterName: 'other' }), "cluster-name 'other' is not 'torc'");
});

test('of more nodes than initial-nodes the rest stay unconfigured, and say so', (t) => {
  const network = new Network(5, ['n1']);
  network.settle();
  t.is(network.formed.size, 1);
  const members = [...network.formed.values()][0]!.members.map(({ nodeId }) => nodeId);
  t.is(members.length, 3);
  for (const [nodeId, node] of network.nodes) {
    if (members.includes(nodeId)) t.truthy(node.formed);
    else
      t.is(
        formationStatus(node.state),
        `the cluster formed with ${members.map((id) => `'${id}'`).join(', ')}, without this node ('${nodeId}')`,
      );
  }
});

test('strangers are turned away with the reason', (t) => {
  const { state } = beginFormation(settings, describe('n1'), {});
  const greeted = (clusterName: string, node: NodeDescription) =>
    step(state, { kind: 'received', from: node.nodeId, message: { kind: 'hello', clusterName, node, knows: [] } }).effects;
  t.deepEqual(greeted('other', describe('n2')), [{ kind: 'disconnect', nodeId: 'n2', reason: "cluster-name 'other' is not 'torc'" }]);
  t.deepEqual(greeted('torc', describe('n1', 17000)), [
    { kind: 'disconnect', nodeId: 'n1', reason: "node-id 'n1' is taken by 127.0.0.1:16379" },
  ]);
  t.deepEqual(greeted('torc', describe('n1')), []);

  const twin = new Network(3, ['n1']);
  twin.settle();
  const other = new Network(3, ['n1']);
  other.add(describe('m1'));
  other.nodes.delete('n3');
  other.settle();
  const [effect] = step(twin.node('n2').state, { kind: 'received', from: 'm1', message: hello(other.node('m1').state) }).effects;
  t.true(effect?.kind === 'disconnect' && effect.reason.startsWith("two clusters are named 'torc'"));
});

test('a node with a configuration tells strangers of it and remembers none of them', (t) => {
  const network = new Network(3, ['n1']);
  network.settle();
  const { state } = network.node('n1');
  const node = describe('m1');
  const told = step(state, { kind: 'received', from: 'm1', message: { kind: 'hello', clusterName: 'torc', node, knows: [] } });
  t.deepEqual(told.effects, [{ kind: 'send', to: 'm1', message: { kind: 'chosen', configuration: network.node('n1').formed! } }]);
  t.is(told.state, state);
});

test('a directory of another cluster or node is not taken', (t) => {
  const network = new Network(3, ['n1']);
  network.settle();
  const durable = network.node('n1').state.durable;
  t.throws(() => beginFormation({ ...settings, clusterName: 'other' }, describe('n1'), durable), {
    instanceOf: FormationError,
    message: "this directory belongs to cluster-name 'torc', not 'other'",
  });
  t.throws(() => beginFormation(settings, describe('n9'), durable), {
    instanceOf: FormationError,
    message: /belongs to one of 'n1', 'n2', 'n3'/,
  });
});

test('bytes that are no message are refused by name', (t) => {
  t.throws(() => decodeFormationMessage(Buffer.from('{"kind":"refuse"}')), { message: /^formation message\.reason: / });
  t.throws(() => decodeFormationMessage(Buffer.from('{"kind":"shout"}')), { message: /^formation message\.kind: / });
  t.throws(() => decodeFormationDurable(Buffer.from('{"format":2}')), { message: /^formation\.format: / });
});

/** What chance does to a cluster; numbers pick a node or a message. */
const chance = fc.oneof(
  { weight: 8, arbitrary: fc.record({ what: fc.constant('deliver' as const), which: fc.nat(), again: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('tick' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('drop' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('restart' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('lose' as const), which: fc.nat(), other: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('crash' as const), which: fc.nat(), effects: fc.nat({ max: 3 }) }) },
);

function disturb(network: Network, chances: readonly (typeof chance extends fc.Arbitrary<infer T> ? T : never)[]): void {
  const nodes = [...network.nodes.values()];
  const pick = (which: number): Node => nodes[which % nodes.length]!;
  for (const event of chances) {
    const message = network.underWay.length === 0 ? -1 : event.which % network.underWay.length;
    switch (event.what) {
      case 'deliver':
        if (message >= 0) network.deliver(message, { again: event.again, effectsMax: Infinity });
        break;
      case 'crash':
        if (message >= 0) network.deliver(message, { again: false, effectsMax: event.effects });
        break;
      case 'drop':
        if (message >= 0) network.underWay.splice(message, 1);
        break;
      case 'tick':
        pick(event.which).tick();
        break;
      case 'restart':
        pick(event.which).restart();
        break;
      case 'lose':
        pick(event.which).perform(step(pick(event.which).state, { kind: 'lost', nodeId: pick(event.other).self.nodeId }), Infinity);
    }
  }
}

const histories = fc.array(chance, { minLength: 20, maxLength: 250, size: 'max' });

test('whatever is lost, repeated or restarted, initial-nodes nodes choose one configuration once messages flow', (t) => {
  const property = fc.property(fc.integer({ min: 1, max: 5 }), fc.nat(), histories, (count, seed, chances) => {
    const network = new Network(count, [`n${(seed % count) + 1}`], { ...settings, initialNodes: count });
    disturb(network, chances);
    network.settle();
    return network.formed.size === 1 && [...network.nodes.values()].every((node) => node.formed?.members.length === count);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 150 }));
});

test('among more nodes than that, two configurations are never both chosen', (t) => {
  const property = fc.property(fc.constantFrom([3, 5], [2, 3], [4, 7]), histories, ([initialNodes, count], chances) => {
    const network = new Network(count!, ['n1', `n${count}`], { ...settings, initialNodes: initialNodes! });
    disturb(network, chances);
    network.settle();
    return network.formed.size <= 1;
  });
  t.notThrows(() => fc.assert(property, { numRuns: 150 }));
});
