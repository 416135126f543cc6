/** Members, where partitions live, and who coordinates them: one answer for all nodes that see the same reachability. */
import test from 'ava';
import type { Configuration } from '../../cluster/configuration.js';
import { Membership } from '../../cluster/membership.js';
import { Peer } from '../../cluster/peer.js';
import { PlayedLink } from './links.js';

const node = (nodeId: string) => ({ nodeId, host: nodeId, clientPort: 1, peerPort: 2, zone: nodeId, hostLabel: nodeId });
const configuration: Configuration = {
  number: 1,
  clusterName: 'test',
  partitions: 64,
  replicas: 3,
  members: ['a', 'b', 'c', 'd'].map((nodeId, i) => ({ number: i + 1, ...node(nodeId) })),
};

async function membershipOf(
  self: string,
): Promise<{ readonly membership: Membership; readonly peers: Map<string, { peer: Peer; played: PlayedLink }> }> {
  const membership = new Membership();
  const peers = new Map<string, { peer: Peer; played: PlayedLink }>();
  for (const { nodeId } of configuration.members) {
    if (nodeId === self) continue;
    const played = new PlayedLink();
    await played.open();
    const peer = new Peer(node(nodeId), played.link, { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 });
    peers.set(nodeId, { peer, played });
  }
  membership.adopt(configuration, self, { writeQuorum: 2, readQuorum: 2 }, (nodeId) => {
    const known = peers.get(nodeId);
    if (known === undefined) throw new Error(`an unknown peer ${nodeId}`);
    return known.peer;
  });
  return { membership, peers };
}

test('the coordinator is the first home replica that is reachable and not doubtful, for every partition and member', async (t) => {
  for (const self of ['a', 'd']) {
    const { membership, peers } = await membershipOf(self);
    const nodeIdOf = (member: number | undefined): string | undefined => configuration.members[member ?? -1]?.nodeId;
    const check = (away: readonly string[]): void => {
      for (let partition = 0; partition < configuration.partitions; partition++) {
        const homes = membership.preferenceList(partition);
        t.is(new Set(homes).size, 3);
        const expected = homes.map(nodeIdOf).find((nodeId) => nodeId === self || !away.includes(nodeId ?? ''));
        t.is(nodeIdOf(membership.coordinatorOf(partition)), expected);
        t.is(membership.isHome(partition), homes.includes(membership.selfIndex));
        t.deepEqual(
          membership.otherHomes(partition).map(({ nodeId }) => nodeId),
          homes.map(nodeIdOf).filter((nodeId) => nodeId !== self),
        );
      }
    };
    check([]);
    const b = peers.get('b');
    if (b === undefined) throw new Error('b is a peer');
    b.peer.doubtful = true;
    membership.changed();
    check(['b']);
    b.peer.doubtful = false;
    b.played.stream.break();
    membership.changed();
    check(['b']);
    t.true(Array.from({ length: 64 }, (_, partition) => membership.reachableHomes(partition)).includes(2));
    const others = ['a', 'b', 'c', 'd'].filter((nodeId) => nodeId !== self);
    for (const { played } of peers.values()) if (played.link.isOpen) played.stream.break();
    membership.changed();
    check(others);
  }
});

test('who came back a moment ago coordinates only where nobody else may', async (t) => {
  const { membership, peers } = await membershipOf('a');
  const b = peers.get('b')?.peer;
  if (b === undefined) throw new Error('b is a peer');
  const nameOf = (partition: number): string | undefined => configuration.members[membership.coordinatorOf(partition) ?? -1]?.nodeId;
  const homesOf = (partition: number): (string | undefined)[] =>
    membership.preferenceList(partition).map((member) => configuration.members[member]?.nodeId);
  const partitions = Array.from({ length: configuration.partitions }, (_, partition) => partition);
  b.arriving = true;
  membership.changed();
  for (const partition of partitions)
    t.is(
      nameOf(partition),
      homesOf(partition).find((nodeId) => nodeId !== 'b'),
    );
  // This node itself, which has streams from c alone and so would not hear the others' answers.
  b.arriving = false;
  membership.arriving = true;
  const c = peers.get('c')?.peer;
  if (c === undefined) throw new Error('c is a peer');
  c.streams = 1;
  membership.changed();
  for (const partition of partitions) {
    const homes = homesOf(partition);
    t.is(nameOf(partition), homes.includes('c') ? 'c' : homes[0]);
  }
});

test('nodes that see the same agree on every coordinator', async (t) => {
  const views = await Promise.all(configuration.members.map(({ nodeId }) => membershipOf(nodeId)));
  for (let partition = 0; partition < configuration.partitions; partition++) {
    t.is(new Set(views.map(({ membership }) => membership.coordinatorOf(partition))).size, 1);
  }
  t.deepEqual(views[0]?.membership.quorums, { replicas: 3, write: 2, read: 2, promises: 2 });
});

test('a change of members or of their reachability is told by the version', async (t) => {
  const { membership } = await membershipOf('a');
  const { version } = membership;
  membership.changed();
  t.not(membership.version, version);
  t.throws(() => new Membership().preferenceList(0), { message: /no placement/ });
});
