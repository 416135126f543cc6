/** A connection's calls on one partition keep their order over routes, and each leaves its lane once. */
import test from 'ava';
import { Call, loading, noReplicas, unknownOutcome } from '../../cluster/call.js';
import { Session } from '../../cluster/session.js';
import { EncodedReply, type Reply } from '../../protocol/resp/reply.js';
import { stillClock } from './links.js';

class NamedCall extends Call {
  readonly replies: Reply[] = [];

  constructor(session: Session, partition = 0) {
    const operation = { access: 'write', blind: true, keys: [], wholePartition: false, run: () => null } as const;
    super([], operation, partition, { resp: 2, writeQuorum: 0, readQuorum: 0, deadlineMs: 0 });
    this.session = session;
  }

  protected deliver(reply: Reply): void {
    this.replies.push(reply);
  }
}

test('a call that was refused before it entered does not free the lane for those that wait', (t) => {
  const resumed: Call[] = [];
  const session = new Session((call) => resumed.push(call), stillClock);
  const [first, second, refused] = [new NamedCall(session), new NamedCall(session), new NamedCall(session)];
  t.true(session.enter(first, 1));
  t.false(session.enter(second, 2));
  refused.answer(loading);
  t.deepEqual(resumed, []);
  first.answer('OK');
  t.deepEqual(resumed, [second]);
  t.true(session.enter(second, 2));
});

test('a call that was executed in a term that ended is never told that nothing was', (t) => {
  const session = new Session(() => undefined, stillClock);
  for (const [reply, told] of [
    [noReplicas(2, 1, 'write'), unknownOutcome],
    [new EncodedReply(Buffer.from('-NOREPLICAS 1\r\n')), unknownOutcome],
    ['OK', 'OK'],
  ] as const) {
    const call = new NamedCall(session);
    call.mayHaveWritten = true;
    call.answer(reply);
    t.deepEqual(call.replies, [told]);
  }
});

test('a call that waited for one that moves bytes has the time of that one, too', (t) => {
  const resumed: Call[] = [];
  const session = new Session((call) => resumed.push(call), stillClock);
  const [large, next, other] = [new NamedCall(session), new NamedCall(session), new NamedCall(session, 1)];
  session.enter(large, 1);
  session.enter(next, 2);
  session.enter(other, 1);
  large.moves(64 * 1024 * 1024);
  large.answer('OK');
  t.deepEqual(resumed, [next]);
  t.true(large.graceMs > 0);
  t.deepEqual([next.graceMs, other.graceMs], [large.graceMs, 0]);
});
