/**
 * A doubtful node counts again only when each of its partitions was compared with N-W+1 others that are not doubtful, or with all; a start that
 * is interrupted begins anew.
 */
import test from 'ava';
import { Comparison } from '../../cluster/comparison.js';
import type { Configuration } from '../../cluster/configuration.js';
import { Membership } from '../../cluster/membership.js';
import { Peer } from '../../cluster/peer.js';
import { Rebuild } from '../../cluster/rebuild.js';
import { actorOf } from '../../protocol/dot.js';
import { Turn } from '../../cluster/turn.js';
import { openInMemory, type OpenedStore } from '../storage/store-fixtures.js';
import { HandClock, seededRandom } from '../storage/log-fixtures.js';
import { PlayedLink } from './links.js';

const partitions = 40;
const self = actorOf(1, 1);
const node = (nodeId: string) => ({ nodeId, host: nodeId, clientPort: 1, peerPort: 2, zone: nodeId, hostLabel: nodeId });
const configuration: Configuration = {
  number: 1,
  clusterName: 'test',
  partitions,
  replicas: 3,
  members: ['a', 'b', 'c'].map((nodeId, i) => ({ number: i + 1, ...node(nodeId) })),
};

interface Pull {
  readonly partition: number;
  readonly nodeId: string;
  readonly done: (result: 'done' | 'failed' | 'doubtful') => void;
}

/** Its pulls are answered by the test. */
class PlayedComparison extends Comparison {
  readonly pulls: Pull[] = [];

  override pull(partition: number, peer: Peer, done: Pull['done']): void {
    this.pulls.push({ partition, nodeId: peer.nodeId, done });
  }
}

interface Fixture {
  readonly rebuild: Rebuild;
  readonly comparison: PlayedComparison;
  readonly clock: HandClock;
  readonly links: Map<string, PlayedLink>;
  /** How often a new life was begun. */
  readonly lives: () => number;
  readonly doubted: () => number;
  readonly membership: Membership;
}

async function fixture(opened: OpenedStore, membersToHear: () => number = () => 0): Promise<Fixture> {
  const clock = new HandClock();
  const { store } = opened;
  const hold = (): never => {
    throw new Error('the disk refuses writes');
  };
  const turn = new Turn(clock, store, { seal: () => undefined, hold, send: () => undefined });
  const comparison = new PlayedComparison({
    store,
    turn,
    clock,
    random: seededRandom(1),
    timeoutMs: 1000,
    partitions: () => partitions,
    isArriving: () => false,
    isDoubtful: () => false,
    provesLoss: () => false,
    isFull: () => false,
  });
  const links = new Map<string, PlayedLink>();
  const peers = new Map<string, Peer>();
  for (const nodeId of ['b', 'c']) {
    const played = new PlayedLink();
    await played.open();
    links.set(nodeId, played);
    peers.set(nodeId, new Peer(node(nodeId), played.link, { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 }));
  }
  const membership = new Membership();
  membership.adopt(configuration, 'a', { writeQuorum: 2, readQuorum: 2 }, (nodeId) => {
    const peer = peers.get(nodeId);
    if (peer === undefined) throw new Error(`an unknown peer ${nodeId}`);
    return peer;
  });
  let lives = 0;
  const raiseLife = (): void => void lives++;
  let doubts = 0;
  const doubted = (): void => void doubts++;
  const rebuild = new Rebuild({
    store,
    membership,
    comparison,
    clock,
    log: () => undefined,
    actor: () => self,
    doubted,
    raiseLife,
    membersToHear,
  });
  return { rebuild, comparison, clock, links, lives: () => lives, doubted: () => doubts, membership };
}

test('a node that can vouch for its data, and one alone, are not in doubt', async (t) => {
  const { rebuild } = await fixture(await openInMemory());
  rebuild.begin(false);
  t.is(rebuild.doubtfulPartitions, 0);
  t.false(rebuild.isDoubtful(0));
});

test('a node that served is in doubt once a peer has seen more of what it wrote than it has', async (t) => {
  const { store, ...opened } = await openInMemory();
  const { rebuild, doubted } = await fixture({ store, ...opened });
  store.partition(3).seen.set(self, 10);
  t.false(rebuild.provesLoss(3, new Map([[self, 10]])));
  t.false(rebuild.provesLoss(3, new Map([[self + 1, 11]])));
  t.is(doubted(), 0);
  t.true(rebuild.provesLoss(3, new Map([[self, 11]])));
  t.is(rebuild.doubtfulPartitions, partitions);
  t.false(rebuild.provesLoss(4, new Map([[self, 11]])), 'once');
  t.is(doubted(), 1);
});

test('every partition is compared with two witnesses, a bounded number at once, then the node counts and has a new life', async (t) => {
  const opened = await openInMemory();
  const { rebuild, comparison, clock, lives, membership } = await fixture(opened);
  rebuild.begin(true);
  t.is(rebuild.doubtfulPartitions, partitions);
  t.is(opened.store.fact('doubtful')?.toString(), 'yes');
  const { version } = membership;
  const witnesses = new Map<number, Set<string>>();
  rebuild.tick();
  let most = 0;
  while (rebuild.doubtfulPartitions > 0) {
    most = Math.max(most, comparison.pulls.length);
    t.is(lives(), 0);
    for (const { partition, nodeId, done } of comparison.pulls.splice(0)) {
      t.true(rebuild.isDoubtful(partition));
      witnesses.set(partition, (witnesses.get(partition) ?? new Set()).add(nodeId));
      done('done');
    }
    await clock.advance(1);
  }
  t.is(most, 16);
  t.is(witnesses.size, partitions);
  t.true([...witnesses.values()].every(({ size }) => size === membership.quorums.promises));
  t.is(lives(), 1);
  t.is(opened.store.fact('doubtful')?.toString(), 'no');
  t.false(rebuild.isDoubtful(0));
  t.not(membership.version, version);
});

test('where nodes stand in for home replicas doubt lasts until enough members said whose batches they have met', async (t) => {
  const { rebuild, comparison, clock, lives, membership } = await fixture(await openInMemory(), () => 2);
  const [b, c] = membership.otherHomes(0);
  if (b === undefined || c === undefined) throw new Error('there are no peers');
  rebuild.heard(b); // before: it may not know yet
  rebuild.begin(true);
  rebuild.tick();
  while (rebuild.doubtfulPartitions > 0) {
    for (const { done } of comparison.pulls.splice(0)) done('done');
    await clock.advance(1);
  }
  for (const peer of [b, b, c]) {
    rebuild.tick();
    t.true(rebuild.isInDoubt);
    t.is(lives(), 0);
    rebuild.heard(peer);
  }
  rebuild.tick();
  t.false(rebuild.isInDoubt);
  t.is(lives(), 1);
});

test('a failed comparison counts for nothing, a doubtful peer is no witness but one of all', async (t) => {
  const { rebuild, comparison, clock } = await fixture(await openInMemory());
  rebuild.begin(true);
  rebuild.tick();
  const [first] = comparison.pulls.splice(0);
  if (first === undefined) throw new Error('nothing is compared');
  const next = async (): Promise<Pull> => {
    await clock.advance(1);
    const again = comparison.pulls.find(({ partition }) => partition === first.partition);
    if (again === undefined) throw new Error('it is not compared again');
    comparison.pulls.splice(comparison.pulls.indexOf(again), 1);
    return again;
  };
  first.done('failed');
  const second = await next();
  t.is(second.nodeId, first.nodeId);
  second.done('doubtful');
  t.true(rebuild.isDoubtful(first.partition));
  const third = await next();
  t.not(third.nodeId, first.nodeId);
  third.done('doubtful');
  t.false(rebuild.isDoubtful(first.partition), 'there is nobody else');
});

test('it waits for peers that cannot be reached, and an interrupted rebuild is begun anew', async (t) => {
  const opened = await openInMemory();
  const first = await fixture(opened);
  for (const played of first.links.values()) played.stream.break();
  first.rebuild.begin(true);
  first.rebuild.tick();
  t.is(first.comparison.pulls.length, 0);
  t.is(first.rebuild.doubtfulPartitions, partitions);
  for (const played of first.links.values()) (await played.redial()).welcome();
  first.rebuild.tick();
  t.is(first.comparison.pulls.length, 16);

  const second = await fixture(opened); // the next process, which stopped cleanly in between
  second.rebuild.begin(false);
  t.is(second.rebuild.doubtfulPartitions, partitions);
});
