import test from 'ava';
import { type Configuration, placement } from '../../cluster/configuration.js';
import { partitionOfSlot } from '../../cluster/ring.js';
import { coordinatorIndex, slotRanges } from '../../cluster/slot-ranges.js';
import type { MemberView } from '../../cluster/view.js';

function views(count: number, unreachable: readonly number[] = []): MemberView[] {
  return Array.from({ length: count }, (_, i) => ({
    id: i.toString(16).padStart(40, '0'),
    name: `node-${i + 1}`,
    number: i + 1,
    host: '127.0.0.1',
    clientPort: 6379 + i,
    peerPort: 16379 + i,
    zone: `zone-${i % 3}`,
    hostLabel: `host-${i}`,
    self: i === 0,
    reachable: !unreachable.includes(i),
  }));
}

function configuration(members: readonly MemberView[], partitions: number): Configuration {
  return {
    number: 1,
    clusterName: 'torc',
    partitions,
    replicas: 3,
    members: members.map(({ number, name, host, clientPort, peerPort, zone, hostLabel }) => ({
      number,
      nodeId: name,
      host,
      clientPort,
      peerPort,
      zone,
      hostLabel,
    })),
  };
}

test('ranges cover all slots in order and agree with the placement slot by slot', (t) => {
  for (const [count, partitions] of [
    [1, 1024],
    [3, 1024],
    [5, 1000],
    [6, 1],
  ] as const) {
    const members = views(count, count > 3 ? [1] : []);
    const placed = placement(configuration(members, partitions));
    let next = 0;
    for (const { firstSlot, lastSlot, replicas, coordinator } of slotRanges(placed, members)) {
      t.is(firstSlot, next);
      for (let slot = firstSlot; slot <= lastSlot; slot++) {
        const list = placed.preferenceLists[partitionOfSlot(slot, partitions)]!;
        if (list.some((member, i) => members[member] !== replicas[i])) t.fail(`slot ${slot} has other replicas`);
      }
      t.is(
        replicas[coordinator],
        replicas.find((member) => member.reachable),
      );
      next = lastSlot + 1;
    }
    t.is(next, 16384);
  }
});

test('neighbours with the same replicas are joined', (t) => {
  const alone = views(1);
  t.deepEqual(slotRanges(placement(configuration(alone, 1024)), alone), [
    { firstSlot: 0, lastSlot: 16383, replicas: alone, coordinator: 0 },
  ]);
  const members = views(3);
  const ranges = slotRanges(placement(configuration(members, 1024)), members);
  ranges.forEach(({ replicas }, i) => t.not(replicas, ranges[i - 1]?.replicas));
  t.true(ranges.length < 1024);
  t.true(new Set(ranges.map(({ replicas }) => replicas)).size <= 6);
});

test('the coordinator is the first reachable home replica, or the first where none is', (t) => {
  t.is(
    coordinatorIndex([2, 0, 1], () => true),
    0,
  );
  t.is(
    coordinatorIndex([2, 0, 1], (member) => member === 1),
    2,
  );
  t.is(
    coordinatorIndex([2, 0, 1], () => false),
    0,
  );
});
