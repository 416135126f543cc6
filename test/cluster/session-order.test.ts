/** A connection's order: on one partition its commands run as they came, whatever their routes and whenever they are answered. */
import fc from '../harness/properties.js';
import test from 'ava';
import { Session } from '../../cluster/session.js';
import { HandClock } from '../storage/log-fixtures.js';
import { TestCall } from './calls.js';
import { stillClock } from './links.js';

/** Each look at it is a millisecond later, so that few calls are resumed in a turn; and turns come when they are run. */
class SteppedClock extends HandClock {
  private looks = 0;
  private readonly turns: (() => void)[] = [];

  override monotonicMs(): number {
    return ++this.looks;
  }

  override nextTurn(callback: () => void): void {
    this.turns.push(callback);
  }

  runTurn(): boolean {
    const callback = this.turns.shift();
    callback?.();
    return callback !== undefined;
  }
}

const steps = fc.array(
  fc.record({
    partition: fc.nat(1),
    route: fc.nat(2),
    /** How many of those under way are answered before the next comes, and which. */
    answers: fc.array(fc.nat(), { maxLength: 3 }),
    /** Of those under way in a partition each second, third or so is sent on its way again, by another route. */
    again: fc.option(fc.record({ partition: fc.nat(1), each: fc.integer({ min: 1, max: 3 }), route: fc.nat(2) })),
    /** What waits for its turn goes on. */
    turn: fc.boolean(),
    /** Answered at once, before it could enter (no replicas) or as soon as it did. */
    at: fc.constantFrom('later', 'later', 'later', 'entering', 'before'),
  }),
  { maxLength: 40 },
);

test('commands on one partition start in order, and never while others are under way on another route, nor before one that did not run', (t) => {
  fc.assert(
    fc.property(steps, fc.boolean(), (list, isOfPeer) => {
      const clock = new SteppedClock();
      const underWay: { readonly call: TestCall; readonly route: number }[] = [];
      const routes = new Map<TestCall, { route: number; at: string }>();
      const wrong: string[] = [];
      const answer = (call: TestCall): void => {
        const place = underWay.findIndex((other) => other.call === call);
        if (place >= 0) underWay.splice(place, 1);
        call.answer('done');
      };
      const submit = (call: TestCall): void => {
        const { route, at } = routes.get(call) ?? { route: 0, at: 'later' };
        if (at === 'before') return answer(call);
        if (!session.enter(call, route)) return;
        const beside = underWay.filter((other) => other.call.partition === call.partition);
        if (beside.some((other) => other.route !== route)) wrong.push(`${call.name} beside another route`);
        for (const other of routes.keys()) {
          if (other.partition !== call.partition || Number(other.name) >= Number(call.name) || other.replies.length > 0) continue;
          if (!underWay.some((each) => each.call === other)) wrong.push(`${call.name} before ${other.name}`);
        }
        underWay.push({ call, route });
        if (at === 'entering') answer(call);
      };
      const session = new Session((call) => submit(call as TestCall), clock, isOfPeer);
      const calls = list.map(({ partition, route, answers, again, turn, at }, i) => {
        const call = new TestCall(String(i), partition);
        call.session = session;
        routes.set(call, { route, at });
        submit(call);
        if (again !== null) {
          const its = underWay.filter((each, place) => each.call.partition === again.partition && place % again.each === 0);
          for (const each of its) {
            underWay.splice(underWay.indexOf(each), 1);
            routes.set(each.call, { route: again.route, at: 'later' });
          }
          session.again(its.map((each) => each.call).toSorted((one, other) => Number(one.name) - Number(other.name)));
        }
        for (const which of answers) {
          const next = underWay[which % Math.max(1, underWay.length)];
          if (next !== undefined) answer(next.call);
        }
        if (turn) clock.runTurn();
        return call;
      });
      while (clock.runTurn() || underWay.length > 0) {
        const [next] = underWay;
        if (next !== undefined) answer(next.call);
      }
      for (const call of calls) if (call.replies.length !== 1) wrong.push(`${call.name} has ${call.replies.length} replies`);
      t.deepEqual(wrong, []);
      t.deepEqual([session.routeOf(0), session.routeOf(1)], [undefined, undefined]);
    }),
    { numRuns: 600 },
  );
});

test('on one route commands go side by side; another route waits for all of them', (t) => {
  const resumed: string[] = [];
  const session = new Session((call) => resumed.push((call as TestCall).name), stillClock);
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new TestCall(name, 7)) as [TestCall, TestCall, TestCall, TestCall];
  for (const call of [a, b, c, d]) call.session = session;
  t.true(session.enter(a, 1));
  t.true(session.enter(b, 1));
  t.false(session.enter(c, 2));
  t.false(session.enter(d, 1), 'behind c, though its own route is open');
  const elsewhere = new TestCall('elsewhere', 8);
  elsewhere.session = session;
  t.true(session.enter(elsewhere, 2));
  a.answer(1);
  t.deepEqual(resumed, []);
  b.answer(1);
  t.deepEqual(resumed, ['c', 'd']);
});

test('a call that is answered before it entered takes no place from another', (t) => {
  const resumed: string[] = [];
  const session = new Session((call) => resumed.push((call as TestCall).name), stillClock);
  const [first, refused, second] = ['first', 'refused', 'second'].map((name) => new TestCall(name, 7)) as [TestCall, TestCall, TestCall];
  for (const call of [first, refused, second]) call.session = session;
  t.true(session.enter(first, 1));
  t.false(session.enter(second, 2));
  refused.answer('NOREPLICAS');
  t.deepEqual(resumed, []);
  first.answer('OK');
  t.deepEqual(resumed, ['second']);
});

test('on one route a read follows writes at once, a write waits for the reads before it', (t) => {
  const resumed: string[] = [];
  const session = new Session((call) => resumed.push((call as TestCall).name), stillClock);
  const calls = (['write', 'read', 'read', 'write', 'read'] as const).map((access, i) => new TestCall(`${access} ${i}`, 7, access));
  const [append, get, again, del, last] = calls as [TestCall, TestCall, TestCall, TestCall, TestCall];
  for (const call of calls) call.session = session;
  t.true(session.enter(append, 1));
  t.true(session.enter(get, 1));
  t.true(session.enter(again, 1));
  t.false(session.enter(del, 1), 'a read under way would show what it writes');
  t.false(session.enter(last, 1), 'behind a write that waits');
  get.answer(1);
  append.answer(1);
  t.deepEqual(resumed, []);
  again.answer(1);
  t.deepEqual(resumed, ['write 3', 'read 4']);
});

test('reads and writes in turn: each that goes on resumes the next, not all that wait', (t) => {
  let resumes = 0;
  const underWay: TestCall[] = [];
  const enter = (call: TestCall): void => {
    if (session.enter(call, 1)) underWay.push(call);
  };
  const session = new Session((call) => {
    resumes++;
    enter(call as TestCall);
  }, stillClock);
  const calls = Array.from({ length: 2000 }, (_, i) => new TestCall(String(i), 7, i % 2 === 0 ? 'read' : 'write'));
  for (const call of calls) {
    call.session = session;
    enter(call);
  }
  const order: string[] = [];
  for (let next = underWay.shift(); next !== undefined; next = underWay.shift()) {
    order.push(next.name);
    next.answer('done');
  }
  t.deepEqual(
    order,
    calls.map(({ name }) => name),
  );
  t.true(resumes < 2 * calls.length, `${resumes} resumes`); // 1,000,000 where all that wait are given back each time
});

test('what comes while those that waited are resumed, one of them answered at once, goes behind them', (t) => {
  const started: string[] = [];
  const session = new Session((call) => {
    if (!session.enter(call, 1)) return;
    started.push((call as TestCall).name);
    if ((call as TestCall).name !== 'refused') return;
    late.session = session;
    if (session.enter(late, 1)) started.push('late');
    call.answer('NOREPLICAS');
  }, stillClock);
  const [first, refused, waits, late] = ['first', 'refused', 'waits', 'late'].map((name) => new TestCall(name, 7)) as [
    TestCall,
    TestCall,
    TestCall,
    TestCall,
  ];
  for (const call of [first, refused, waits]) call.session = session;
  t.true(session.enter(first, 2));
  t.false(session.enter(refused, 1));
  t.false(session.enter(waits, 1));
  first.answer('OK');
  t.deepEqual(started, ['refused', 'waits', 'late']);
  waits.answer('OK');
  t.is(session.routeOf(7), 1);
  late.answer('OK');
  t.is(session.routeOf(7), undefined);
});

test('one that has to wait again goes on when what made it wait is answered meanwhile', (t) => {
  const started: string[] = [];
  const names = ['first', 'read', 'write', 'last'];
  const calls = names.map((name, i) => new TestCall(name, 7, i === 1 ? 'read' : 'write')) as [TestCall, TestCall, TestCall, TestCall];
  const [first, read, write, last] = calls;
  const session = new Session((call) => {
    if (session.enter(call, 1)) started.push((call as TestCall).name);
    else read.answer('value');
  }, stillClock);
  for (const call of calls) call.session = session;
  t.true(session.enter(first, 2));
  for (const call of [read, write, last]) t.false(session.enter(call, 1));
  first.answer('OK');
  t.deepEqual(started, ['read', 'write', 'last']);
});

test('found by seed 576: a read behind a write of its connection is not handed on, and answered, before that write is answered', (t) => {
  const started: string[] = [];
  let route = 1;
  const session = new Session((call) => void (session.enter(call, route) && started.push((call as TestCall).name)), stillClock);
  const [write, read] = [new TestCall('write', 7), new TestCall('read', 7, 'read')];
  for (const call of [write, read]) call.session = session;
  t.true(session.enter(write, 1)); // it ran here, and is not settled
  t.true(session.enter(read, 1)); // it waits here
  route = 2;
  session.again([read]);
  t.deepEqual(started, []);
  write.answer('OK');
  t.deepEqual(started, ['read']);
});

test('what is sent on its way again by several routes keeps its order', (t) => {
  const started: string[] = [];
  const routes: Record<string, number> = { large: 3, small: 2, last: 2 };
  const session = new Session(
    (call) => void (session.enter(call, routes[(call as TestCall).name] ?? 0) && started.push((call as TestCall).name)),
    stillClock,
  );
  const [large, small, last] = ['large', 'small', 'last'].map((name) => new TestCall(name, 7)) as [TestCall, TestCall, TestCall];
  for (const call of [large, small, last]) call.session = session;
  for (const call of [large, small]) t.true(session.enter(call, 1));
  t.false(session.enter(last, 2));
  session.again([large, small]);
  t.deepEqual(started, ['large']);
  large.answer('OK');
  t.deepEqual(started, ['large', 'small', 'last']);
});
