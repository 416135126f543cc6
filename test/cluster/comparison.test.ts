/**
 * Two replicas of a partition and their links, played by hand: whatever each holds, after a pull and a push both hold the merge of both, and
 * their clocks are the pointwise maximum; an exchange that does not move fails.
 */
import fc from '../harness/properties.js';
import test from 'ava';
import { Comparison } from '../../cluster/comparison.js';
import { Peer } from '../../cluster/peer.js';
import { Settlement } from '../../cluster/settlement.js';
import { Turn } from '../../cluster/turn.js';
import { noTerm } from '../../protocol/dot.js';
import { emptyClock } from '../../protocol/record.js';
import { torc } from '../../protocol/generated/messages.js';
import { slotOf } from '../../protocol/slot.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { effectiveContext } from '../../storage/merge.js';
import type { Partition } from '../../storage/partition.js';
import { seededRandom } from '../storage/log-fixtures.js';
import { encodeBatches, openStore, plainRecord, type OpenedStore } from '../storage/store-fixtures.js';
import { PlayedLink } from './links.js';

const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
  .filter((key) => slotOf(Buffer.from(key)) < 8192)
  .slice(0, 6);
const description = { nodeId: 'peer', host: 'h', clientPort: 1, peerPort: 2, zone: 'z', hostLabel: 'l' };

/** A replica, and what it knows of the other: `played` is its link to it. */
class Side {
  readonly played = new PlayedLink();
  readonly peer = new Peer(description, this.played.link, { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 });
  readonly comparison: Comparison;
  doubtful = false;
  private taken = 0;
  private last = 0;

  private constructor(
    readonly opened: OpenedStore,
    readonly actor: number,
  ) {
    const { clock } = this.played;
    const { link } = this.played;
    const hold = (): never => {
      throw new Error('the disk refuses writes');
    };
    const turn = new Turn(clock, opened.store, { seal: (batches) => link.seal(batches), hold, send: () => link.send() });
    this.comparison = new Comparison({
      isFull: () => false,
      store: opened.store,
      turn,
      clock,
      random: seededRandom(1),
      timeoutMs: 1000,
      partitions: () => 2,
      isArriving: () => false,
      isDoubtful: () => this.doubtful,
      provesLoss: () => false,
    });
  }

  static async open(actor: number): Promise<Side> {
    const side = new Side(await openStore(new MemoryEngine(), new MemoryLogFiles()), actor);
    await side.played.open();
    return side;
  }

  get partition(): Partition {
    return this.opened.store.partition(0);
  }

  /** One batch of its own; a `lost` one leaves a gap behind which the next are. */
  write(key: string, counter: number, lost = false): void {
    const held = this.partition.get(key)?.record;
    const dot = { actor: this.actor, counter };
    const prev = this.last;
    this.last = counter;
    if (lost) return;
    const context = new Map(held === undefined ? [] : effectiveContext(held));
    context.delete(this.actor);
    const record = { context: context.size === 0 ? emptyClock : context, versions: plainRecord(dot, `${this.actor} ${counter}`).versions };
    this.opened.store.applyBatches(encodeBatches([{ partition: 0, dot, prev, records: [[key, record]] }]));
  }

  /** What it said since the last time. */
  frames(): torc.Frame[] {
    this.played.link.send();
    const { frames } = this.played.stream;
    const said = frames.slice(this.taken).map((frame) => torc.Frame.decode(torc.Frame.encode(frame).finish()));
    this.taken = frames.length;
    return said;
  }

  hear(frame: torc.Frame): void {
    for (const pull of frame.pulls) this.comparison.onPull(this.peer, torc.Pull.decode(torc.Pull.encode(pull).finish()));
    for (const transfer of frame.transfers)
      this.comparison.onTransfer(this.peer, torc.Transfer.decode(torc.Transfer.encode(transfer).finish()));
    for (const ack of frame.transferAcks)
      this.comparison.onTransferAck(this.peer, torc.TransferAck.decode(torc.TransferAck.encode(ack).finish()));
  }

  state(): unknown {
    const entries = [...this.partition.entries.values()].filter(({ record }) => record !== undefined);
    return {
      seen: Object.fromEntries(this.partition.seen),
      ahead: this.partition.ahead.map(({ actor, counter }) => `${actor} ${counter}`).toSorted(),
      values: Object.fromEntries(
        entries.map(({ key, record }) => [key, record?.versions.map(({ actor, counter }) => `${actor} ${counter}`)]),
      ),
    };
  }
}

/** Until neither has anything to say. */
async function talk(a: Side, b: Side): Promise<void> {
  for (let quiet = 0; quiet < 3;) {
    quiet++;
    await a.played.clock.advance(1);
    await b.played.clock.advance(1);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const frame of from.frames()) {
        quiet = 0;
        to.hear(frame);
      }
    }
  }
}

const writes = fc.array(fc.record({ side: fc.nat(1), key: fc.nat(keys.length - 1), lost: fc.nat(9) }), { maxLength: 30 });

test('a pull, and a push back, bring both to the same', async (t) => {
  await fc.assert(
    fc.asyncProperty(writes, async (list) => {
      const sides = [await Side.open(0x1_0001), await Side.open(0x2_0001)] as const;
      list.forEach(({ side, key, lost }, i) => sides[side]?.write(keys[key] ?? '', i + 1, lost === 0));
      const [a, b] = sides;
      const results: string[] = [];
      const seenBefore = new Map(b.partition.seen);
      a.comparison.pull(0, a.peer, (result) => results.push(result));
      await talk(a, b);
      for (const [actor, counter] of seenBefore) t.true((a.partition.seen.get(actor) ?? 0) >= counter);
      a.comparison.push(0, a.peer, new Map(b.partition.seen), noTerm, (result) => results.push(result));
      await talk(a, b);
      t.deepEqual(results, ['done', 'done']);
      t.deepEqual(a.state(), b.state());
    }),
    { numRuns: 60 },
  );
});

test('equal clocks and nothing ahead: a pull is answered without any record', async (t) => {
  const [a, b] = [await Side.open(0x1_0001), await Side.open(0x2_0001)];
  b.write(keys[0] ?? '', 1);
  a.comparison.pull(0, a.peer, () => undefined);
  await talk(a, b);
  const { bytesSent } = b.played.link;
  let result = '';
  a.comparison.pull(0, a.peer, (how) => (result = how));
  await talk(a, b);
  t.is(result, 'done');
  t.true(b.played.link.bytesSent - bytesSent < 100);
});

test('a batch beyond a gap is followed by a pull, which closes it', async (t) => {
  const [a, b] = [await Side.open(0x1_0001), await Side.open(0x2_0001)];
  b.write(keys[0] ?? '', 1);
  b.write(keys[1] ?? '', 2);
  const dot = { actor: 0x2_0001, counter: 2 };
  a.opened.store.applyBatches(
    encodeBatches([{ partition: 0, dot, prev: 1, records: [[keys[1] ?? '', plainRecord(dot, `${dot.actor} 2`)]] }]),
    {
      applied: (_partition, _actor, _counter, _superseded, gap) => {
        if (gap) a.comparison.fetchMissing(0, a.peer);
      },
    },
  );
  t.is(a.comparison.partitionsBehind, 1);
  a.comparison.tick();
  await talk(a, b);
  t.deepEqual(a.state(), b.state());
  t.deepEqual(a.partition.ahead, []);
  t.is(a.comparison.partitionsBehind, 0);
  t.is(a.comparison.finished, 1);
});

test('a push is answered by whether its term still is the newest', async (t) => {
  const [a, b] = [await Side.open(0x1_0001), await Side.open(0x2_0001)];
  a.write(keys[0] ?? '', 1);
  const results: string[] = [];
  const push = async (counter: number): Promise<void> => {
    a.comparison.push(0, a.peer, emptyClock, { counter, actor: a.actor }, (result) => results.push(result));
    await talk(a, b);
  };
  await push(5);
  b.opened.store.promise([0], { counter: 9, actor: b.actor });
  await push(8);
  await push(10);
  t.deepEqual(results, ['done', 'failed', 'done']);
  t.deepEqual(b.partition.promised, { counter: 10, actor: a.actor });
});

for (const [how, isTaken] of [
  ['refused', (b: Side, piece: torc.Transfer) => b.comparison.refuse(b.peer, piece)],
  ['not taken', (b: Side, piece: torc.Transfer) => b.comparison.discard(b.peer, piece)],
] as const)
  test(`a push of which a piece was ${how} as the disk had no room is not taken for the whole by what comes once it has`, async (t) => {
    const [a, b] = [await Side.open(0x1_0001), await Side.open(0x2_0001)];
    a.write(keys[0] ?? '', 1);
    a.write(keys[1] ?? '', 2);
    const results: string[] = [];
    a.comparison.push(0, a.peer, emptyClock, { counter: 5, actor: a.actor }, (result) => results.push(result));
    const transfers: torc.Transfer[] = [];
    for (let turns = 0; turns < 10; turns++) {
      await a.played.clock.advance(1);
      transfers.push(...a.frames().flatMap((frame) => frame.transfers as torc.Transfer[]));
    }
    const [whole] = transfers;
    if (whole === undefined || transfers.length > 1 || !whole.complete) throw new Error(`${transfers.length} pieces`);
    const bytes = torc.Transfer.encode(whole).finish();
    const piece = (from: number, to: number, complete: boolean): torc.Transfer => {
      const decoded = torc.Transfer.decode(bytes);
      decoded.key = decoded.key.slice(from, to);
      decoded.record = decoded.record.slice(from, to);
      decoded.complete = complete;
      return decoded;
    };
    isTaken(b, piece(0, 1, false));
    b.comparison.onTransfer(b.peer, piece(1, 2, true));
    await talk(b, a);
    t.deepEqual(results, ['failed']);
    t.is(b.partition.seen.size, 0, 'it claims nothing');
  });

test('a doubtful peer says so, and an exchange that does not move or whose link broke fails', async (t) => {
  const [a, b] = [await Side.open(0x1_0001), await Side.open(0x2_0001)];
  b.doubtful = true;
  const results: string[] = [];
  const note = (result: string): void => void results.push(result);
  a.comparison.pull(0, a.peer, note);
  await talk(a, b);
  t.deepEqual(results, ['doubtful']);
  a.comparison.pull(0, a.peer, note);
  a.comparison.tick();
  t.is(results.length, 1);
  await a.played.clock.advance(1001);
  a.comparison.tick();
  t.deepEqual(results, ['doubtful', 'failed']);
  a.comparison.pull(0, a.peer, note);
  a.played.stream.break();
  a.comparison.tick();
  t.deepEqual(results, ['doubtful', 'failed', 'failed']);
});

test('a partition that is being sent is let go once the stream is gone, whatever else waits for the peer', async (t) => {
  const a = await Side.open(0x1_0001);
  const { played, partition, opened } = a;
  const key = keys[0] ?? '';
  const dot = { actor: a.actor, counter: 1 };
  const versions = plainRecord(dot, 'v'.repeat(600 * 1024)).versions;
  opened.store.applyBatches(encodeBatches([{ partition: 0, dot, prev: 0, records: [[key, { context: emptyClock, versions }]] }]));
  // Kept until the peer has stored it, over whatever stream.
  const large = new Settlement(0, 1, 0, 33 << 20, false, undefined, 'OK', 1, () => undefined);
  large.turnBytes = Buffer.alloc(33 << 20);
  played.link.sendLargeBatch(large);
  a.comparison.onPull(a.peer, torc.Pull.create({ id: 1, partition: 0 }));
  await played.clock.advance(1);
  t.is(partition.pins, 1, 'it waits for the peer to take what is on its way');
  played.unreachable = true;
  played.stream.break();
  t.true(played.link.isCongested);
  await played.clock.advance(1);
  await played.clock.advance(1);
  t.is(partition.pins, 0);
});
