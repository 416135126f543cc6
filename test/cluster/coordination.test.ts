/** Who waits for a coordinator that stops: handed on only behind what ran before it. */
import test from 'ava';
import type { Call } from '../../cluster/call.js';
import { Coordination } from '../../cluster/coordination.js';
import { Settlement } from '../../cluster/settlement.js';
import { TestCall } from './calls.js';

const batch = (): Settlement => new Settlement(0, 1, 0, 0, false, undefined, null, 1, () => undefined);
const call = {} as Call;

/** A coordinator's partition that stops with one call waiting, and what became of that. */
function leaving(unsettled: number): { coordination: Coordination; handedOn: Call[]; giveUp: () => void } {
  const coordination = new Coordination(0);
  coordination.state = 'running';
  for (let i = 0; i < unsettled; i++) coordination.begun(batch());
  coordination.enqueue(call);
  const handedOn: Call[] = [];
  let giveUp = (): void => undefined;
  coordination.leave(
    (calls) => handedOn.push(...calls),
    (callback) => (giveUp = callback),
  );
  return { coordination, handedOn, giveUp: () => giveUp() };
}

test('nothing ran before it: it is handed on at once', (t) => {
  const { coordination, handedOn } = leaving(0);
  t.deepEqual(handedOn, [call]);
  t.is(coordination.state, 'idle');
  t.is(coordination.waiting, 0);
});

test('found by seed 576: a read behind a write of its connection is not handed on, and answered, before that write is settled', (t) => {
  const { coordination, handedOn, giveUp } = leaving(2);
  t.is(coordination.state, 'idle');
  coordination.settled();
  t.deepEqual(handedOn, []);
  coordination.settled();
  t.deepEqual(handedOn, [call]);
  giveUp();
  t.deepEqual(handedOn, [call], 'once');
});

test('what is not settled in time, or cannot be, keeps nobody', (t) => {
  const late = leaving(1);
  late.giveUp();
  t.deepEqual(late.handedOn, [call]);
  late.coordination.settled();
  t.deepEqual(late.handedOn, [call], 'once');
  const superseded = leaving(1);
  superseded.coordination.releaseDrained();
  t.deepEqual(superseded.handedOn, [call]);
});

test('who waited already when a large batch went before has the time that it takes', (t) => {
  const coordination = new Coordination(0);
  const waiting = new TestCall('waiting', 0);
  coordination.enqueue(waiting);
  coordination.moves(100 * 1024 * 1024);
  t.is(waiting.deadlineMs, 100 * 1024);
});
