import test from 'ava';
import fc from '../harness/properties.js';
import { preferenceList } from '../../cluster/preference-list.js';
import { buildRing, partitionPosition, type RingMember } from '../../cluster/ring.js';
import type { MemberLabels } from '../../cluster/preference-list.js';

type Node = RingMember & MemberLabels;

const partitions = 1024;

function node(nodeId: string, zone: string, hostLabel: string): Node {
  return { nodeId, zone, hostLabel };
}

function nodesInZones(count: number, zones: number, prefix = 'node'): Node[] {
  return Array.from({ length: count }, (_, i) => node(`${prefix}-${i + 1}`, `zone-${i % zones}`, `host-${i}`));
}

function listsOf(nodes: readonly Node[], replicas = 3): Node[][] {
  const ring = buildRing(nodes);
  return Array.from({ length: partitions }, (_, partition) =>
    preferenceList(ring, nodes, partitionPosition(partition), replicas).map((index) => nodes[index]!),
  );
}

test('a new zone first, then a new host, then any, clockwise each time', (t) => {
  // One virtual node each, at positions 10, 20, 30...: the walk from 0 meets them in this order.
  const nodes = [node('a', 'x', '1'), node('b', 'x', '1'), node('c', 'x', '2'), node('d', 'y', '3'), node('e', 'y', '3')];
  const ring = { positions: nodes.map((_, i) => BigInt(10 * (i + 1))), owners: nodes.map((_, i) => i) };
  const from = (position: bigint, replicas: number) => preferenceList(ring, nodes, position, replicas).map((index) => nodes[index]!.nodeId);
  t.deepEqual(from(0n, 5), ['a', 'd', 'c', 'b', 'e']);
  t.deepEqual(from(0n, 3), ['a', 'd', 'c']);
  t.deepEqual(from(0n, 1), ['a']);
  t.deepEqual(from(35n, 3), ['d', 'a', 'c']);
  t.deepEqual(from(41n, 9), ['e', 'a', 'c', 'b', 'd']);
});

test('a list has N distinct nodes, as many zones as there can be, and then as many hosts', (t) => {
  const labelled = fc.record({ zone: fc.integer({ min: 0, max: 3 }), host: fc.integer({ min: 0, max: 5 }) });
  const property = fc.property(
    fc.array(labelled, { minLength: 1, maxLength: 9 }),
    fc.integer({ min: 1, max: 5 }),
    fc.nat(),
    (labels, replicas, partition) => {
      // A host stands in one zone.
      const nodes = labels.map(({ zone, host }, i) => node(`n${i}`, `z${zone}`, `z${zone}h${host}`));
      const list = preferenceList(buildRing(nodes), nodes, partitionPosition(partition), replicas);
      const distinct = (members: readonly Node[], label: 'zone' | 'hostLabel') => new Set(members.map((member) => member[label])).size;
      const chosen = list.map((index) => nodes[index]!);
      const wanted = Math.min(replicas, nodes.length);
      // Who stands in for home replicas comes after them in the same order.
      const everyone = preferenceList(buildRing(nodes), nodes, partitionPosition(partition), nodes.length);
      return (
        everyone.slice(0, wanted).join() === list.join() &&
        list.length === wanted &&
        new Set(list).size === wanted &&
        distinct(chosen, 'zone') === Math.min(wanted, distinct(nodes, 'zone')) &&
        distinct(chosen, 'hostLabel') === Math.min(wanted, distinct(nodes, 'hostLabel'))
      );
    },
  );
  t.notThrows(() => fc.assert(property, { numRuns: 150 }));
});

test('a new node takes about its share of replicas, and nothing moves between the others where labels are free', (t) => {
  for (const count of [5, 10]) {
    // Every node in a zone of its own: the list is simply the first N nodes clockwise.
    const nodes = nodesInZones(count, count);
    const added = node('node-new', 'zone-new', 'host-new');
    const before = listsOf(nodes);
    const after = listsOf([...nodes, added]);
    let moved = 0;
    after.forEach((list, partition) => {
      const gained = list.filter((member) => !before[partition]!.includes(member));
      t.true(gained.every((member) => member === added));
      moved += gained.length;
    });
    const share = (partitions * 3) / (count + 1);
    t.true(moved > 0.7 * share && moved < 1.3 * share, `${count} nodes: ${moved} of about ${share}`);
  }
});

test('with three zones, a new node takes over replicas of its own zone alone', (t) => {
  const nodes = nodesInZones(9, 3);
  const added = node('node-new', 'zone-0', 'host-new');
  const before = listsOf(nodes);
  listsOf([...nodes, added]).forEach((list, partition) => {
    const others = (members: readonly Node[]) => members.filter(({ zone }) => zone !== 'zone-0');
    t.deepEqual(new Set(others(list)), new Set(others(before[partition]!)));
  });
});

test('coordination is spread within the bounds that the decision page gives', (t) => {
  for (const [count, ratioMax] of [
    [3, 1.35],
    [5, 1.45],
    [10, 1.6],
  ] as const) {
    for (const prefix of ['node', 'torc', '10.0.0']) {
      const coordinated = new Map<Node, number>();
      for (const [first] of listsOf(nodesInZones(count, 3, prefix))) coordinated.set(first!, (coordinated.get(first!) ?? 0) + 1);
      const ratio = Math.max(...coordinated.values()) / (partitions / count);
      t.log(`${count} nodes named ${prefix}-*: max/mean of coordinated partitions ${ratio.toFixed(2)}`);
      t.true(ratio < ratioMax);
      t.is(coordinated.size, count);
    }
  }
});

test('a node of half the weight coordinates about half as much', (t) => {
  const nodes = nodesInZones(4, 4).map((member, i) => (i === 0 ? { ...member, weight: 0.5 } : member));
  const first = listsOf(nodes).filter(([coordinator]) => coordinator === nodes[0]).length;
  t.true(first > (partitions / 7) * 0.6 && first < (partitions / 7) * 1.4, `${first} of about ${partitions / 7}`);
});
