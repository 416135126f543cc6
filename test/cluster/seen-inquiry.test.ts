/** WAIT's question, how many replicas hold what was written: an answer counts for who asked, and its cost is that of what it says. */
import test from 'ava';
import type { Configuration } from '../../cluster/configuration.js';
import { Membership } from '../../cluster/membership.js';
import { Peer } from '../../cluster/peer.js';
import { SeenInquiries } from '../../cluster/seen-inquiry.js';
import { torc } from '../../protocol/generated/messages.js';
import type { VectorClock } from '../../protocol/record.js';
import { clockBytes } from '../../storage/partition-clocks.js';
import { seededRandom } from '../storage/log-fixtures.js';
import { openInMemory } from '../storage/store-fixtures.js';
import { PlayedLink } from './links.js';

const node = (nodeId: string) => ({ nodeId, host: nodeId, clientPort: 1, peerPort: 2, zone: nodeId, hostLabel: nodeId });
const configuration: Configuration = {
  number: 1,
  clusterName: 'test',
  partitions: 4096,
  replicas: 3,
  members: ['a', 'b', 'c', 'd'].map((nodeId, i) => ({ number: i + 1, ...node(nodeId) })),
};
const actor = 0x1_0001;
const first: VectorClock = new Map([[actor, 100]]);
const later: VectorClock = new Map([[actor, 200]]);

/** Node d asks the others, which the test plays. */
class Asker {
  readonly peers = new Map<string, { readonly peer: Peer; readonly played: PlayedLink }>();

  private constructor(
    private readonly membership: Membership,
    readonly inquiries: SeenInquiries,
  ) {}

  static async open(): Promise<Asker> {
    const { clock } = new PlayedLink();
    const { store } = await openInMemory({ clock });
    const membership = new Membership();
    const asker = new Asker(membership, new SeenInquiries({ store, membership, clock, random: seededRandom(1) }));
    for (const { nodeId } of configuration.members.slice(0, 3)) {
      const played = new PlayedLink();
      await played.open();
      asker.peers.set(nodeId, {
        peer: new Peer(node(nodeId), played.link, { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 }),
        played,
      });
    }
    membership.adopt(configuration, 'd', { writeQuorum: 2, readQuorum: 2 }, (nodeId) => asker.named(nodeId).peer);
    return asker;
  }

  /** Partitions whose home replicas are a, b and c: what the asker has itself does not matter there. */
  get elsewhere(): readonly number[] {
    return Array.from({ length: configuration.partitions }, (_, partition) => partition).filter(
      (partition) => !this.membership.isHome(partition),
    );
  }

  named(nodeId: string): { readonly peer: Peer; readonly played: PlayedLink } {
    const known = this.peers.get(nodeId);
    if (known === undefined) throw new Error(`an unknown peer ${nodeId}`);
    return known;
  }

  /** The questions that the node was sent since the last call. */
  questionsTo(nodeId: string): torc.Inquiry[] {
    const { played } = this.named(nodeId);
    played.link.send();
    const { frames } = played.stream;
    return frames.splice(0).flatMap(({ inquiries }) => inquiries as torc.Inquiry[]);
  }

  answer(nodeId: string, { id, asked }: torc.Inquiry, seen: VectorClock): void {
    const bytes = clockBytes(seen);
    this.inquiries.onInquiry(
      this.named(nodeId).peer,
      torc.Inquiry.create({ id, partition: asked, seen: asked.map(() => bytes) }) as torc.Inquiry,
    );
  }
}

test('twenty connections that wait for a thousand partitions each take milliseconds', async (t) => {
  const asker = await Asker.open();
  const { elsewhere } = asker;
  const ended: number[] = [];
  for (let i = 0; i < 20; i++) asker.inquiries.begin(elsewhere, 2, (replicas) => ended.push(replicas));
  const began = process.cpuUsage();
  for (const nodeId of ['a', 'b', 'c']) {
    t.deepEqual(ended, []);
    for (const question of asker.questionsTo(nodeId)) asker.answer(nodeId, question, first);
  }
  const tookMs = process.cpuUsage(began).user / 1000;
  t.deepEqual(ended, Array<number>(20).fill(2));
  t.true(tookMs < 500, `${elsewhere.length} partitions took ${tookMs} ms`); // where each partition of an answer had all counted anew it did not end in two minutes
});

test('an answer counts for the inquiry that asked: an earlier one may have been given before what a later one waits for was written', async (t) => {
  const asker = await Asker.open();
  const partition = asker.elsewhere.slice(0, 1);
  const ended: string[] = [];
  asker.inquiries.begin(partition, 2, (replicas) => ended.push(`earlier ${replicas}`));
  const [fromA, fromB, fromC] = ['a', 'b', 'c'].map((nodeId) => asker.questionsTo(nodeId)[0]);
  if (fromA === undefined || fromB === undefined || fromC === undefined) throw new Error('all three are asked');
  // b and c have answered. Now a writes, b acknowledges, and the client that was answered waits for that on another connection.
  const inquiry = asker.inquiries.begin(partition, 2, (replicas) => ended.push(`later ${replicas}`));
  asker.answer('b', fromB, first);
  asker.answer('c', fromC, first);
  asker.answer('a', fromA, first);
  t.deepEqual(ended, ['earlier 2']);
  for (const nodeId of ['a', 'b']) for (const question of asker.questionsTo(nodeId)) asker.answer(nodeId, question, later);
  t.deepEqual(ended, ['earlier 2'], 'c lacks it');
  inquiry.giveUp();
  t.deepEqual(ended, ['earlier 2', 'later 1']);
});

test('the least that any partition has is what is told when the asker gives up', async (t) => {
  const asker = await Asker.open();
  const [behind = 0, ...others] = asker.elsewhere.slice(0, 10);
  const ended: number[] = [];
  const inquiry = asker.inquiries.begin([behind, ...others], 2, (replicas) => ended.push(replicas));
  for (const nodeId of ['a', 'b']) for (const question of asker.questionsTo(nodeId)) asker.answer(nodeId, question, later);
  for (const { id } of asker.questionsTo('c')) {
    const ask = (asked: number[]): torc.Inquiry => torc.Inquiry.create({ id, asked }) as torc.Inquiry;
    asker.answer('c', ask(others), later);
    asker.answer('c', ask([behind]), first);
  }
  t.deepEqual(ended, []);
  inquiry.giveUp();
  inquiry.giveUp();
  t.deepEqual(ended, [1]);
});
