/**
 * The link to one peer: batches reach it in order and are kept until they are acknowledged, commands are never sent twice, and no queue
 * grows without bound, whenever the stream breaks.
 */
import fc from '../harness/properties.js';
import test from 'ava';
import { BulkReceiver } from '../../cluster/bulk-receiver.js';
import { bulkSizes } from '../../cluster/bulk-sender.js';
import type { PeerLink } from '../../cluster/peer-link.js';
import { Settlement } from '../../cluster/settlement.js';
import { decodeBatches } from '../../protocol/batch.js';
import { ByteReader } from '../../protocol/byte-reader.js';
import { CommandRow, readCommand } from '../../protocol/peer/packed-rows.js';
import { torc } from '../../protocol/generated/messages.js';
import { encodeBatches } from '../storage/store-fixtures.js';
import { TestCall } from './calls.js';
import { PlayedLink, type PlayedStream } from './links.js';

const batch = (counter: number, partition = 1): Buffer =>
  encodeBatches([{ partition, dot: { actor: 1, counter }, prev: counter - 1, records: [] }]);

/** One turn that writes these batches. */
function turn(link: PeerLink, counters: readonly number[], partition = 1): Settlement[] {
  let offset = 0;
  const bytes = counters.map((counter) => batch(counter, partition));
  const settlements = counters.map((counter, i) => {
    const length = bytes[i]?.length ?? 0;
    const made = new Settlement(partition, counter, offset, length, false, new TestCall('write', 1), 'OK', 1, () => undefined);
    link.sendBatch(made);
    offset += length;
    return made;
  });
  link.seal(Buffer.concat(bytes));
  link.send();
  return settlements;
}

function countersOf({ frames }: PlayedStream): number[] {
  return frames.flatMap(({ batches }) => decodeBatches(batches as Buffer).map(({ dot }) => dot.counter));
}

function commandsOf({ frames }: PlayedStream): { readonly firstId: number; readonly rows: readonly CommandRow[] } {
  const { firstId, rows } = torc.Commands.decode(torc.Commands.encode(frames[0]?.commands ?? {}).finish());
  const reader = new ByteReader(rows as Buffer);
  const decoded: CommandRow[] = [];
  while (reader.remaining > 0) {
    const row = new CommandRow();
    readCommand(reader, row);
    decoded.push(row);
  }
  return { firstId, rows: decoded };
}

test('a hand-shake comes first; nothing is said before the peer has answered it', async (t) => {
  const played = new PlayedLink();
  const { link } = played;
  link.open();
  await played.clock.advance(0);
  t.is(played.stream.greeting?.from?.nodeId, 'self');
  t.false(link.isOpen);
  turn(link, [1]);
  t.is(played.stream.frames.length, 0);
  played.stream.welcome();
  t.true(link.isOpen);
  t.deepEqual(played.events, ['opened peer']);
  t.deepEqual(countersOf(played.stream), [1], 'what was written meanwhile');
  t.is(played.stream.frames[0]?.clock, 42);
});

test('an acknowledgement answers all batches up to it, those that were superseded not', async (t) => {
  const played = new PlayedLink();
  const { link } = played;
  await played.open();
  const settlements = turn(link, [1, 2, 3, 4]);
  t.is(played.stream.frames.length, 1, 'one frame for a turn');
  t.true(link.expectsAnswer);
  link.acknowledged(1, 3, new Set([2]));
  t.deepEqual(
    settlements.map(({ settled }) => settled),
    [true, false, true, false],
  );
  link.acknowledged(2, 2, new Set());
  t.false(settlements[1]?.settled, 'each batch is judged once');
  link.acknowledged(4, 4, new Set());
  t.true(settlements[3]?.settled);
  t.false(link.expectsAnswer);
  t.is(link.queuedBytes, 0);
});

test('an acknowledgement says nothing of batches before its first, whose own answer was lost', async (t) => {
  const played = new PlayedLink();
  const { link } = played;
  await played.open();
  const settlements = [...turn(link, [1, 2]), ...turn(link, [3])];
  link.acknowledged(3, 3, new Set());
  t.true(settlements.every(({ settled }) => !settled));
  link.resendUnacked();
  t.deepEqual(countersOf(played.stream), [1, 2, 3, 1, 2, 3]);
  link.acknowledged(1, 3, new Set([2]));
  t.deepEqual(
    settlements.map(({ settled }) => settled),
    [true, false, true],
  );
  t.false(link.expectsAnswer);
});

test('whenever the stream breaks, what a peer gets in the end is all it had not acknowledged, in order', async (t) => {
  const steps = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('turn' as const), count: fc.integer({ min: 1, max: 4 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('ack' as const), count: fc.nat(4) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('break' as const), count: fc.nat(1) }) },
    ),
    { maxLength: 25 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const played = new PlayedLink();
      const { link } = played;
      await played.open();
      const settlements: Settlement[] = [];
      let acknowledged = 0;
      let written = 0;
      for (const { kind, count } of list) {
        if (kind === 'turn') {
          settlements.push(
            ...turn(
              link,
              Array.from({ length: count }, (_, i) => written + i + 1),
            ),
          );
          written += count;
        } else if (kind === 'ack') {
          const got = countersOf(played.stream).at(-1) ?? acknowledged;
          acknowledged = Math.max(acknowledged, Math.min(got, acknowledged + count));
          link.acknowledged(1, acknowledged, new Set());
        } else {
          played.stream.break();
          const stream = await played.redial();
          if (count === 0) settlements.push(...turn(link, [++written])); // between dialling and the answer
          stream.welcome();
          const expected = Array.from({ length: written - acknowledged }, (_, i) => acknowledged + i + 1);
          t.deepEqual(countersOf(stream), expected);
        }
        t.deepEqual(
          settlements.map(({ settled }) => settled),
          settlements.map(({ counter }) => counter <= acknowledged),
        );
        const got = countersOf(played.stream);
        t.deepEqual(
          got,
          got.toSorted((x, y) => x - y),
        );
      }
      link.close();
    }),
    { numRuns: 60 },
  );
});

test('much that is sent again goes a little in each turn, and what is written meanwhile after it', async (t) => {
  const bound = 1 << 26;
  const played = new PlayedLink({ unackedBytesMax: bound, streamBufferBytesMax: bound });
  const { link, clock } = played;
  const count = 60_000;
  turn(
    link,
    Array.from({ length: count }, (_, i) => i + 1),
  );
  await played.open();
  const first = played.stream;
  t.true(first.frames.length <= 8 && first.frames.every(({ batches }) => batches.length < 200_000), `${first.frames.length} frames`);
  const sentAtOnce = countersOf(first).length;
  t.true(sentAtOnce > 0 && sentAtOnce < count / 2, `${sentAtOnce} batches`);
  turn(link, [count + 1]);
  t.is(countersOf(first).length, sentAtOnce);
  t.true(link.isSending(1));
  await clock.advance(0);
  t.true(countersOf(first).length > sentAtOnce);
  first.break();
  const second = await played.redial();
  second.welcome();
  for (let turns = 0; turns < 100 && countersOf(second).length <= count; turns++) await clock.advance(0);
  turn(link, [count + 2]);
  const counters = countersOf(second);
  t.is(counters.length, count + 2);
  t.true(counters.every((counter, i) => counter === i + 1));
  link.acknowledged(1, count + 2, new Set());
  t.false(link.expectsAnswer);
});

test('what is written faster than a turn sends again does not keep all of it from being sent', async (t) => {
  const bound = 1 << 28;
  const played = new PlayedLink({ unackedBytesMax: bound, streamBufferBytesMax: bound });
  const { link, clock } = played;
  const inTurn = 40_000; // more than a turn sends again by itself
  let written = 0;
  const write = (): void => {
    turn(
      link,
      Array.from({ length: inTurn }, (_, i) => written + i + 1),
    );
    written += inTurn;
  };
  write();
  write();
  await played.open();
  let turns = 0;
  for (; turns < 10 && link.isSending(1); turns++) {
    write();
    await clock.advance(0);
  }
  t.true(turns < 10);
  const counters = countersOf(played.stream);
  t.is(counters.length, written);
  t.true(counters.every((counter, i) => counter === i + 1));
});

test('a forwarded command is sent once at most, on any stream', async (t) => {
  const played = new PlayedLink();
  const { link } = played;
  const first = await played.open();
  const calls = ['a', 'b'].map((name) => new TestCall(name, 1));
  for (const call of calls) link.forward(call);
  link.send();
  const { firstId, rows } = commandsOf(first);
  t.deepEqual(
    rows.map(({ args }) => args.map(String)),
    [['a'], ['b']],
  );
  t.is(link.takeForwarded(firstId), calls[0]);
  t.is(link.takeForwarded(firstId), undefined);
  first.break();
  const second = await played.redial();
  second.welcome();
  turn(link, [1]);
  link.resendUnacked();
  t.true(second.frames.every((frame) => frame.commands === null || frame.commands === undefined));
  t.deepEqual(link.takeLostForwarded(), [calls[1]]);
  t.deepEqual(link.takeLostForwarded(), []);
});

test('a reply is lost with its stream unless some of its call is still to be sent: nobody can have run that', async (t) => {
  const played = new PlayedLink();
  const { link } = played;
  const stream = await played.open();
  const large = ['a', 'b', 'c'].map((name) => name.repeat(3 * 1024 * 1024));
  for (const name of [...large, 'd']) link.forward(new TestCall(name, 1));
  link.send();
  const hearOf = (bytesMost: number): void => {
    for (const { id, offset, bytes } of stream.frames.flatMap(({ bulkPieces }) => bulkPieces)) {
      const received = (offset ?? 0) + (bytes?.length ?? 0);
      if (received <= bytesMost) link.bulkAcknowledged(torc.BulkAck.decode(torc.BulkAck.encode({ id: id ?? 0, received }).finish()));
    }
    link.send();
  };
  const lost = (): (string | undefined)[] => link.takeLostForwarded().map((call) => (call as TestCall).name[0]);
  t.deepEqual(lost(), ['d']);
  hearOf(1024 * 1024);
  t.deepEqual(lost(), []);
  // A window before its end the last of its pieces leaves.
  for (let turn = 0; turn < 4; turn++) hearOf(3 * 1024 * 1024 - bulkSizes.windowBytes + bulkSizes.pieceBytes);
  t.deepEqual(lost(), ['a']);
  stream.break();
  t.deepEqual(lost(), ['b', 'c'], 'they are gone with the stream');
});

test('every reply meets its own call, when a call that goes in pieces was forwarded in the same turn as small ones', async (t) => {
  const played = new PlayedLink();
  const { link } = played;
  await played.open();
  const calls = ['a', 'b', 'c'.repeat(3 * 1024 * 1024), 'd', 'e'.repeat(3 * 1024 * 1024), 'f'].map((name) => new TestCall(name, 1, 'read'));
  for (const call of calls) link.forward(call);
  const receiver = new BulkReceiver(1 << 26);
  const got: [id: number, name: string][] = [];
  const take = ({ commands }: torc.Frame): void => {
    const reader = new ByteReader((commands?.rows ?? Buffer.alloc(0)) as Buffer);
    for (let id = commands?.firstId ?? 0; reader.remaining > 0; id++) {
      const row = new CommandRow();
      readCommand(reader, row);
      got.push([id, row.args[0]?.toString() ?? '']);
    }
  };
  for (let seen = 0; ;) {
    link.send();
    const frames = played.stream.frames.slice(seen);
    if (frames.length === 0) break;
    seen += frames.length;
    for (const frame of frames) {
      take(frame);
      for (const piece of frame.bulkPieces) {
        const step = receiver.push(piece as torc.BulkPiece);
        if (step === undefined) throw new Error('a piece of another message');
        if (step.whole !== undefined) take(torc.Frame.decode(step.whole.bytes));
        link.bulkAcknowledged(torc.BulkAck.decode(torc.BulkAck.encode({ id: piece.id ?? 0, received: step.received }).finish()));
      }
    }
  }
  t.is(got.length, calls.length);
  for (const [id, name] of got) t.is((link.takeForwarded(id) as TestCall | undefined)?.name, name, `${name.length} bytes`);
  t.false(link.expectsAnswer);
});

test('options of a forwarded command arrive as they were', async (t) => {
  const played = new PlayedLink();
  await played.open();
  await played.clock.advance(5000);
  const call = new TestCall('a', 9, 'read', { resp: 3, writeQuorum: 5, readQuorum: 7, deadlineMs: 1_800_000 });
  call.hops = 2;
  played.link.forward(call);
  played.link.send();
  const [row = new CommandRow()] = commandsOf(played.stream).rows;
  const bits = row.options;
  t.deepEqual([row.partition, bits & 3, (bits >> 2) & 15, (bits >> 6) & 15, bits >> 10, row.remainingMs], [9, 3, 5, 7, 2, 1_795_000]);
});

test('overdue commands are given up in the order of their deadlines', async (t) => {
  const played = new PlayedLink();
  await played.open();
  const calls = [10, 20, 30].map((deadlineMs) => new TestCall(String(deadlineMs), 1, 'write', { deadlineMs }));
  for (const call of calls) played.link.forward(call);
  t.deepEqual(played.link.takeOverdue(10), []);
  t.deepEqual(played.link.takeOverdue(25), calls.slice(0, 2));
  t.deepEqual(played.link.takeLostForwarded(), calls.slice(2));
});

test('batches that a peer does not take are bounded: beyond the bound they are dropped and counted', async (t) => {
  const bytes = batch(1).length;
  const played = new PlayedLink({ unackedBytesMax: bytes * 10 });
  const { link } = played;
  played.unreachable = true;
  link.open();
  for (let counter = 1; counter <= 100; counter++) {
    turn(link, [counter]);
    t.true(link.queuedBytes <= bytes * 11, 'the bound, and a turn more');
  }
  t.true(link.droppedBatches >= 90);
  played.unreachable = false;
  const stream = await played.redial();
  stream.welcome();
  const got = countersOf(stream);
  t.is(got.length + link.droppedBatches, 100);
  t.deepEqual(
    got,
    got.map((_, i) => 100 - got.length + i + 1),
    'the newest, in order',
  );
});

test('beyond the bound batches are handed out to be kept elsewhere, and those that are left follow them when there are older ones', async (t) => {
  const bytes = batch(1).length;
  const played = new PlayedLink({ unackedBytesMax: bytes * 10 });
  played.keepsElsewhere = true;
  const { link } = played;
  played.unreachable = true;
  link.open();
  const all = Array.from({ length: 25 }, (_, index) => index + 1);
  for (const counter of all) turn(link, [counter]);
  t.deepEqual([link.droppedBatches, link.queuedBytes], [0, bytes * 3]);
  t.deepEqual(played.keptElsewhere, all.slice(0, 22));
  played.hasOlder = true;
  played.unreachable = false;
  const stream = await played.redial();
  stream.welcome();
  t.deepEqual(countersOf(stream), []);
  t.deepEqual(played.keptElsewhere, all);
  turn(link, [26]);
  t.deepEqual(countersOf(stream), [26]);
});

test('what waits for a peer that is away is dropped for its age; what a peer that is there owes is not', async (t) => {
  const played = new PlayedLink();
  const { link } = played;
  for (let counter = 1; counter <= 5; counter++) turn(link, [counter]);
  link.dropUnackedBefore(4);
  t.is(link.droppedBatches, 3);
  const stream = await played.open();
  t.deepEqual(countersOf(stream), [4, 5]);
  link.dropUnackedBefore(100);
  t.is(link.droppedBatches, 3);
  t.true(link.expectsAnswer);
});

test('a peer that does not read is cut off', async (t) => {
  const played = new PlayedLink({ streamBufferBytesMax: 100 });
  const stream = await played.open();
  stream.bufferedBytes = 101;
  turn(played.link, [1]);
  t.false(stream.isClosed, 'its batches may be waiting, beside which it has as much as the bound');
  stream.bufferedBytes = 101 + 2 * batch(1).length;
  turn(played.link, [2]);
  t.true(stream.isClosed);
  t.false(played.link.isOpen);
  t.deepEqual(played.events, ['opened peer', 'broken: it does not read what it is sent']);
  const next = await played.redial();
  next.welcome();
  t.deepEqual(countersOf(next), [1, 2]);
});

test('a batch that is larger than any bound has a way to the peer, also after the stream broke', async (t) => {
  const bytes = batch(1).length;
  const played = new PlayedLink({ unackedBytesMax: bytes / 2, streamBufferBytesMax: bytes / 2 });
  const stream = await played.open();
  turn(played.link, [1]);
  t.deepEqual(countersOf(stream), [1]);
  t.is(played.link.droppedBatches, 0);
  t.false(stream.isClosed);
  played.link.reset('lost');
  const next = await played.redial();
  next.welcome();
  t.deepEqual(countersOf(next), [1]);
  t.true(played.link.isOpen);
  turn(played.link, [2]);
  t.is(played.link.droppedBatches, 1, 'not two of them');
});

test('batches that waited behind a large one of their partition go in frames again once it is stored, and each answer counts for its own', async (t) => {
  const played = new PlayedLink();
  const { link, stream } = await played.open().then((opened) => ({ link: played.link, stream: opened }));
  const large = new Settlement(1, 1, 0, 3 << 20, false, new TestCall('write', 1), 'OK', 1, () => undefined);
  large.turnBytes = Buffer.alloc(3 << 20);
  large.isLarge = true;
  link.sendLargeBatch(large);
  link.send();
  const [behind, beside] = [turn(link, [2, 3]), turn(link, [4], 2)];
  t.deepEqual(countersOf(stream), [4]);
  const receiver = new BulkReceiver(1 << 26);
  for (let seen = 0; seen < stream.frames.length; link.send()) {
    const pieces = stream.frames.slice(seen).flatMap(({ bulkPieces }) => bulkPieces as torc.BulkPiece[]);
    seen = stream.frames.length;
    for (const piece of pieces) {
      const { received = 0, whole } = receiver.push(piece) ?? {};
      const ack = { id: piece.id, received, ...(whole && { stored: {} }) };
      const stored = link.bulkAcknowledged(torc.BulkAck.decode(torc.BulkAck.encode(ack).finish()));
      t.is(stored, whole && large);
    }
  }
  t.false(link.isSending(1));
  t.deepEqual(countersOf(stream), [4, 2, 3, 4]);
  turn(link, [5]);
  t.deepEqual(countersOf(stream), [4, 2, 3, 4, 5]);
  link.acknowledged(4, 4, new Set());
  t.false(
    behind.some(({ settled }) => settled),
    'an answer to what is newer says nothing of them',
  );
  link.acknowledged(2, 4, new Set());
  t.true([...behind, ...beside].every(({ settled }) => settled));
  link.acknowledged(5, 5, new Set());
  t.is(link.queuedBytes, 0);
});

test('a refusal is told, and dialling goes on', async (t) => {
  const played = new PlayedLink();
  played.link.open();
  await played.clock.advance(0);
  played.stream.welcome({ refusal: 'cluster-name' });
  t.deepEqual(played.events, ['refused: cluster-name']);
  t.true(played.stream.isClosed);
  t.false(played.link.isOpen);
  const next = await played.redial();
  t.is(played.streams.length, 2);
  next.welcome();
  t.true(played.link.isOpen);
});

test('a hand-shake that is not answered, or answered by rubbish, ends its stream', async (t) => {
  const played = new PlayedLink();
  played.link.open();
  await played.clock.advance(0);
  const [first] = played.streams;
  await played.clock.advance(2000);
  t.true(first?.isClosed);
  const second = await played.redial();
  second.events.data(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  t.true(second.isClosed);
  const third = await played.redial();
  third.events.data(Buffer.from([0, 0, 0, 2, 0xff, 0xff]));
  t.true(third.isClosed);
  t.deepEqual(played.events, []);
});

test('what comes late over a stream that was given up says nothing of the next', async (t) => {
  const played = new PlayedLink();
  played.link.open();
  await played.clock.advance(0);
  const first = played.stream;
  await played.clock.advance(2000);
  const second = await played.redial();
  t.not(first, second);
  first.welcome();
  t.false(played.link.isOpen);
  first.welcome({ refusal: 'no' });
  first.break();
  t.false(second.isClosed);
  t.deepEqual(played.events, []);
  second.welcome();
  t.true(played.link.isOpen);
});

test('a link that was closed stays closed', async (t) => {
  const played = new PlayedLink();
  const stream = await played.open();
  played.link.close();
  t.true(stream.isClosed);
  stream.break();
  await played.clock.advance(10_000);
  t.is(played.streams.length, 1);
  t.deepEqual(played.events, ['opened peer']);
});

test('while the peer cannot be reached it is dialled less and less often, and at once when it was heard of', async (t) => {
  const played = new PlayedLink();
  played.unreachable = true;
  played.link.open();
  for (let i = 0; i < 100; i++) await played.clock.advance(500);
  played.unreachable = false;
  played.link.dialNow();
  await played.clock.advance(0);
  t.is(played.streams.length, 1);
  played.stream.welcome();
  await played.clock.advance(10_000);
  t.is(played.streams.length, 1, 'the dial that was planned finds the link open');
});

test('what is gathered is scheduled once a turn, and dropped when the link is down', async (t) => {
  const played = new PlayedLink();
  const { link } = played;
  link.acknowledge({ actor: 1, counter: 1 });
  link.reply(1, Buffer.from('+OK\r\n'));
  t.is(played.scheduled, 1);
  link.send();
  const stream = await played.open();
  t.is(stream.frames.length, 0);
  link.acknowledge({ actor: 1, counter: 2 });
  link.say({ transferAcks: [{ id: 3 }] });
  link.say({ transferAcks: [{ id: 4 }] });
  t.is(played.scheduled, 2);
  link.send();
  t.is(stream.frames.length, 1);
  t.deepEqual(
    stream.frames[0]?.ack.map(({ counter }) => counter),
    [2],
  );
  t.deepEqual(
    stream.frames[0]?.transferAcks.map(({ id }) => id),
    [3, 4],
  );
  t.deepEqual(stream.frames[0]?.replies, null);
  link.send();
  t.is(stream.frames.length, 1, 'nothing to say, nothing sent');
});
