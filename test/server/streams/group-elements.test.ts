/** The bytes of a group's elements, as they lie on disk: fixed. */
import test from 'ava';
import {
  claimElement,
  consumerElement,
  consumerName,
  cursorElement,
  decodeClaim,
  decodeConsumer,
  decodeCursor,
  decodeDelivery,
  deliveryElement,
  encodeClaim,
  encodeConsumer,
  encodeCursor,
  encodeDelivery,
  groupName,
  isClaim,
  pendingBetween,
  pendingId,
} from '../../../server/streams/group-elements.js';
import { idMax, idOf } from '../../../server/streams/stream-id.js';

const name = Buffer.from('grp');
const id = idOf(7n, 2n);
const holding = { consumer: Buffer.from('c'), sinceMs: 1_700_000_000_000, times: 3n };

test('elements and values have these bytes', (t) => {
  t.is(cursorElement(name, 0x10002).toString('hex'), '0300000003' + '677270' + '00010002');
  t.is(consumerElement(name, Buffer.from('c')).toString('hex'), '0400000003' + '677270' + '63');
  const pending = '0500000003' + '677270' + '0000000000000007' + '0000000000000002';
  t.is(deliveryElement(name, id).toString('hex'), pending + '00');
  t.is(claimElement(name, id).toString('hex'), pending + '01');
  const held = '0000018bcfe56800' + '0000000000000003' + '63';
  t.is(encodeDelivery(holding).toString('hex'), held);
  t.is(encodeClaim({ actor: 0x10002, counter: 5 }, holding).toString('hex'), '00010002' + '0000000000000005' + held);
  t.is(encodeConsumer({ seenMs: 5, activeMs: 4 }).toString('hex'), '0000000000000005' + '0000000000000004');
  const cursor = { delivered: [{ to: id, clock: new Map([[0x10002, 9]]) }], entriesRead: 6 };
  const step = '0000000000000007' + '0000000000000002' + '0001' + '00010002' + '0000000000000009';
  t.is(encodeCursor(cursor).toString('hex'), '0000000000000006' + step);
  t.is(encodeCursor({ delivered: [], entriesRead: undefined }).toString('hex'), 'ffffffffffffffff');
});

test('what was written is read, and what belongs together lies together', (t) => {
  t.deepEqual(decodeDelivery(encodeDelivery(holding)), holding);
  t.deepEqual(decodeClaim(encodeClaim({ actor: 1, counter: 2 }, holding)), { delivery: { actor: 1, counter: 2 }, holding });
  t.deepEqual(decodeConsumer(encodeConsumer({ seenMs: 5, activeMs: 0 })), { seenMs: 5, activeMs: 0 });
  t.deepEqual(decodeCursor(encodeCursor({ delivered: [], entriesRead: 0 })), { delivered: [], entriesRead: 0 });
  for (const each of [Buffer.alloc(0), Buffer.from([0xff, 0xff]), name]) {
    t.deepEqual(groupName(consumerElement(each, name)), each);
    t.deepEqual(consumerName(consumerElement(each, name)), name);
    t.is(pendingId(claimElement(each, idMax)), idMax);
    t.true(isClaim(claimElement(each, id)));
    t.false(isClaim(deliveryElement(each, idMax)));
    const { from, to } = pendingBetween(each, 5n, idMax);
    for (const inside of [deliveryElement(each, 5n), claimElement(each, idMax)])
      t.true(Buffer.compare(from, inside) <= 0 && Buffer.compare(inside, to) < 0);
    t.true(Buffer.compare(deliveryElement(each, 4n), from) < 0);
    t.true(Buffer.compare(deliveryElement(Buffer.concat([each, Buffer.of(0)]), 0n), to) >= 0);
  }
});
