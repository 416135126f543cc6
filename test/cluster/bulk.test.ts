/**
 * Large messages in pieces: whatever is put, and whenever the stream breaks, the receiver gets every batch whole, in order, and of frames those whose stream held.
 */
import fc from '../harness/properties.js';
import test from 'ava';
import { BulkReceiver } from '../../cluster/bulk-receiver.js';
import { BulkSender } from '../../cluster/bulk-sender.js';
import { usualBulkPatience } from '../../cluster/call.js';
import { Settlement } from '../../cluster/settlement.js';
import type { torc } from '../../protocol/generated/messages.js';

const sizes = { messageBytesMin: 0, pieceBytes: 3, windowBytes: 7, patience: usualBulkPatience };

function settlementOf(counter: number, partition: number, bytes: Buffer): Settlement {
  const settlement = new Settlement(partition, counter, 0, bytes.length, false, undefined, 'OK', 1, () => undefined);
  settlement.turnBytes = bytes;
  settlement.isLarge = true;
  return settlement;
}

/** A sender, a receiver, and the stream between them. */
class Pair {
  readonly stream: torc.BulkPiece[] = [];
  readonly sender = new BulkSender(sizes, 100, (piece) => this.stream.push({ ...piece } as torc.BulkPiece));
  receiver = new BulkReceiver(1000);
  readonly got: string[] = [];
  /** Sent and not heard of, at most. */
  ahead = 0;

  constructor() {
    this.sender.restart();
  }

  /** One piece arrives; false when there is none. */
  deliver(): boolean {
    const piece = this.stream.shift();
    if (piece === undefined) return false;
    this.ahead = Math.max(this.ahead, this.stream.length * sizes.pieceBytes);
    const step = this.receiver.push(piece);
    if (step === undefined) return true;
    const { received, whole } = step;
    this.sender.acknowledged({ id: piece.id, received } as torc.BulkAck);
    if (whole === undefined) return true;
    this.got.push(whole.bytes.toString());
    if (whole.batches) this.sender.acknowledged({ id: piece.id, received, stored: {} } as torc.BulkAck);
    return true;
  }

  break(): void {
    this.stream.length = 0;
    this.sender.stop();
    this.receiver.end();
    this.receiver = new BulkReceiver(1000);
    this.sender.restart();
  }
}

test('batches arrive whole and in order whenever the stream breaks, frames at most once; no more than a window is under way', (t) => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('batch' as const), size: fc.integer({ min: 1, max: 20 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('frame' as const), size: fc.integer({ min: 1, max: 20 }) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('deliver' as const), size: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('break' as const), size: fc.constant(0) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const pair = new Pair();
      const batches: string[] = [];
      const frames = new Set<string>();
      steps.forEach(({ kind, size }, n) => {
        const bytes = Buffer.from(`${kind[0]}${n}:`.padEnd(size + 6, '.'));
        if (kind === 'batch') {
          batches.push(bytes.toString());
          pair.sender.putBatch(settlementOf(n, n % 3, bytes));
        } else if (kind === 'frame') {
          frames.add(bytes.toString());
          pair.sender.putFrame(bytes);
        } else if (kind === 'break') pair.break();
        else for (let i = 0; i < size; i++) pair.deliver();
      });
      while (pair.deliver());
      t.deepEqual(
        pair.got.filter((text) => text.startsWith('b')),
        batches,
      );
      const gotFrames = pair.got.filter((text) => text.startsWith('f'));
      t.is(new Set(gotFrames).size, gotFrames.length);
      t.true(gotFrames.every((text) => frames.has(text)));
      t.true(pair.ahead <= sizes.windowBytes + sizes.pieceBytes);
      t.is(pair.sender.bytes, 0);
      t.false(pair.sender.isMoving);
      for (const partition of [0, 1, 2]) t.false(pair.sender.holds(partition));
    }),
  );
});

test('a batch stays until it is stored, not only received, and is sent again over a new stream', (t) => {
  const pair = new Pair();
  const settlement = settlementOf(7, 5, Buffer.from('0123456789'));
  pair.sender.putBatch(settlement);
  const ids: number[] = [];
  for (let piece = pair.stream.shift(); piece !== undefined; piece = pair.stream.shift()) {
    ids.push(piece.id);
    const received = pair.receiver.push(piece)?.received ?? 0;
    t.is(pair.sender.acknowledged({ id: piece.id, received } as torc.BulkAck), undefined);
  }
  t.true(pair.sender.holds(5));
  t.is(pair.sender.oldestBatch, 7);
  pair.break();
  const again = pair.stream[0];
  t.is(again?.offset, 0);
  t.not(again?.id, ids[0]);
  // What the first stream still brings is of the message before.
  t.is(pair.sender.acknowledged({ id: ids[0], received: 10, stored: {} } as torc.BulkAck), undefined);
  while (pair.deliver());
  t.false(pair.sender.holds(5));
  t.deepEqual(pair.got, ['0123456789']);
});

test('answers that are lost: a batch is sent again, a frame comes once', (t) => {
  for (const kind of ['batch', 'frame']) {
    for (let lost = 0; lost <= 4; lost++) {
      const pair = new Pair();
      const put = (text: string): void => {
        if (kind === 'frame') pair.sender.putFrame(Buffer.from(text));
        else pair.sender.putBatch(settlementOf(1, 1, Buffer.from(text)));
      };
      put('01234567'); // three pieces, which go at once
      put('abc');
      for (let i = 0; i < lost; i++) {
        const piece = pair.stream.shift();
        if (piece === undefined) break;
        const whole = pair.receiver.push(piece)?.whole;
        if (whole !== undefined) pair.got.push(whole.bytes.toString());
        pair.sender.resend();
      }
      while (pair.deliver());
      const texts = kind === 'frame' ? pair.got : [...new Set(pair.got)];
      t.deepEqual(texts, ['01234567', 'abc'], `${kind}, ${lost} answers lost`);
      t.true(pair.sender.isEmpty);
    }
  }
});

test('batches wait while the peer has no room for them, and frames pass them', (t) => {
  const pair = new Pair();
  pair.sender.putBatch(settlementOf(1, 1, Buffer.from('batch 1 of twenty...')));
  pair.deliver();
  pair.sender.setHolding(true);
  pair.sender.putBatch(settlementOf(2, 2, Buffer.from('batch 2')));
  pair.sender.putFrame(Buffer.from('frame'));
  while (pair.deliver());
  t.deepEqual(pair.got, ['frame']);
  t.false(pair.sender.isMoving);
  pair.sender.setHolding(false);
  while (pair.deliver());
  t.deepEqual(pair.got, ['frame', 'batch 1 of twenty...', 'batch 2']);
  t.true(pair.sender.isEmpty);
});

test('batches can be taken out, the one under way too; what is left goes on', (t) => {
  const pair = new Pair();
  for (const counter of [1, 2, 3]) pair.sender.putBatch(settlementOf(counter, counter, Buffer.from(`${counter}`.repeat(10))));
  pair.deliver();
  t.deepEqual(
    pair.sender.takeBatches(({ counter }) => counter < 3).map(({ counter }) => counter),
    [1, 2],
  );
  while (pair.deliver());
  // What was sent of the first may have come all the same.
  t.deepEqual(
    pair.got.filter((text) => !text.startsWith('1')),
    ['3333333333'],
  );
});

test('small batches stay behind the large ones of their partition, and are given back once none of those is left', (t) => {
  const pair = new Pair();
  const small = (counter: number, partition: number): Settlement => {
    const settlement = settlementOf(counter, partition, Buffer.from(`${counter}`));
    settlement.isLarge = false;
    return settlement;
  };
  pair.sender.putBatch(settlementOf(1, 1, Buffer.from('large')));
  pair.sender.putBatch(small(2, 1));
  pair.sender.putBatch(settlementOf(3, 2, Buffer.from('other')));
  pair.sender.putBatch(settlementOf(4, 1, Buffer.from('later')));
  pair.sender.putBatch(small(5, 1));
  const freed: number[][] = [];
  for (let piece = pair.stream.shift(); piece !== undefined; piece = pair.stream.shift()) {
    const { received = 0, whole } = pair.receiver.push(piece) ?? {};
    if (whole !== undefined) pair.got.push(whole.bytes.toString());
    const stored = pair.sender.acknowledged({ id: piece.id, received, ...(whole && { stored: {} }) } as torc.BulkAck);
    if (stored !== undefined) freed.push(stored.freed.map(({ counter }) => counter));
  }
  t.deepEqual(pair.got, ['large', '2', 'other', 'later']);
  t.deepEqual(freed, [[], [], [], [5]]);
  t.true(pair.sender.isEmpty);
  t.false(pair.sender.holds(1));
});

test('the receiver refuses what cannot be, and passes over what is of another message', (t) => {
  const receiver = new BulkReceiver(10);
  const piece = (id: number, total: number, offset: number, bytes: string): torc.BulkPiece =>
    ({ id, total, offset, bytes: Buffer.from(bytes), batches: false }) as torc.BulkPiece;
  t.throws(() => receiver.push(piece(1, 11, 0, 'x')), { instanceOf: RangeError });
  t.throws(() => receiver.push(piece(1, 4, 2, 'xxx')), { instanceOf: RangeError });
  t.throws(() => receiver.push(piece(1, 0, 0, '')), { instanceOf: RangeError });
  t.is(receiver.push(piece(1, 4, 2, 'xx')), undefined);
  t.is(receiver.push(piece(2, 4, 0, 'ab'))?.received, 2);
  t.is(receiver.push(piece(1, 4, 2, 'xx')), undefined);
  t.is(receiver.push(piece(2, 4, 2, 'cd'))?.whole?.bytes.toString(), 'abcd');
  t.is(receiver.arrivingBytes, 0);
});
