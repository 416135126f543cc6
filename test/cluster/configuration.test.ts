import test from 'ava';
import {
  type Configuration,
  ConfigurationError,
  decodeConfiguration,
  encodeConfiguration,
  placement,
  quorums,
  sameConfiguration,
} from '../../cluster/configuration.js';

function configurationOf(nodeIds: readonly string[], changes: Partial<Configuration> = {}): Configuration {
  const members = nodeIds.map((nodeId, i) => ({
    number: i + 1,
    nodeId,
    host: '127.0.0.1',
    clientPort: 6379 + i,
    peerPort: 16379 + i,
    zone: `zone-${i % 3}`,
    hostLabel: 'here',
  }));
  return { number: 1, clusterName: 'torc', partitions: 1024, replicas: 3, members, ...changes };
}

const three = configurationOf(['node-1', 'node-2', 'node-3']);

test('what is encoded is decoded, and equal configurations have equal bytes', (t) => {
  const bytes = encodeConfiguration(three);
  t.deepEqual(decodeConfiguration(bytes), three);
  const { members, ...rest } = three;
  const shuffled = { members: members.map(({ number, ...member }) => ({ ...member, number })), ...rest };
  t.deepEqual(encodeConfiguration(shuffled), bytes);
  t.true(sameConfiguration(three, shuffled));
  t.false(sameConfiguration(three, { ...three, number: 2 }));
});

test('the format on disk is this one', (t) => {
  t.is(
    encodeConfiguration(configurationOf(['a'])).toString(),
    '{"format":1,"number":1,"clusterName":"torc","partitions":1024,"replicas":3,"members":[{"number":1,"nodeId":"a","host":"127.0.0.1","clientPort":6379,"peerPort":16379,"zone":"zone-0","hostLabel":"here"}]}',
  );
});

test('what is wrong is named', (t) => {
  const member = three.members[0]!;
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [{ ...three, format: 2 }, /^configuration: format 2 is not known to this release, which knows 1$/],
    [{ ...three }, /^configuration\.format: /],
    [{ format: 1, ...three, partitions: 16385 }, /^configuration\.partitions: /],
    [{ format: 1, ...three, members: [] }, /^configuration\.members: /],
    [{ format: 1, ...three, members: [{ ...member, number: 0 }] }, /^configuration\.members\.0\.number: /],
    [{ format: 1, ...three, members: [{ ...member, nodeId: 'a\0' }] }, /^configuration\.members\.0\.nodeId: has a zero byte$/],
    [{ format: 1, ...three, members: [member, { ...member, nodeId: 'other' }] }, /^configuration\.members: member numbers must ascend/],
    [{ format: 1, ...three, members: [member, { ...member, number: 2 }] }, /^configuration\.members: two members have the same node id$/],
    [{ format: 1, ...three, colour: 'blue' }, /^configuration: .*colour/],
    [[], /^configuration: /],
  ];
  for (const [value, message] of cases) {
    t.throws(() => decodeConfiguration(Buffer.from(JSON.stringify(value))), { instanceOf: ConfigurationError, message });
  }
  t.throws(() => decodeConfiguration(Buffer.from('{"format":1')), { instanceOf: ConfigurationError, message: 'configuration: not JSON' });
  t.throws(() => encodeConfiguration({ ...three, members: [] }), { instanceOf: ConfigurationError });
});

test('placement gives every partition its list, once per configuration and shared where equal', (t) => {
  const placed = placement(three);
  t.is(placed, placement(three));
  t.is(placed.preferenceLists.length, 1024);
  t.is(placed.replicas, 3);
  t.true(placed.preferenceLists.every((list) => list.toSorted((x, y) => x - y).join() === '0,1,2'));
  t.true(new Set(placed.preferenceLists).size <= 6);
});

test('placement is fixed: nodes that disagree about it lose data', (t) => {
  const first = placement(configurationOf(['node-1', 'node-2', 'node-3', 'node-4', 'node-5'])).preferenceLists.slice(0, 8);
  t.deepEqual(
    first.map((list) => list.join('')),
    ['132', '321', '312', '240', '321', '243', '432', '201'],
  );
});

test('N is at most the members, W and R at most N, and each at least 1', (t) => {
  const directives = { writeQuorum: 2, readQuorum: 2 };
  t.deepEqual(quorums(three, directives), { replicas: 3, write: 2, read: 2, promises: 2 });
  t.deepEqual(quorums(configurationOf(['a', 'b']), directives), { replicas: 2, write: 2, read: 2, promises: 1 });
  t.deepEqual(quorums(configurationOf(['a']), directives), { replicas: 1, write: 1, read: 1, promises: 1 });
  t.deepEqual(quorums(configurationOf(['a', 'b', 'c', 'd', 'e', 'f'], { replicas: 5 }), { writeQuorum: 9, readQuorum: 0 }), {
    replicas: 5,
    write: 5,
    read: 1,
    promises: 1,
  });
});
