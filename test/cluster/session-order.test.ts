/** A connection's order: on one partition its commands run as they came, whatever their routes and whenever they are answered. */
import fc from '../harness/properties.js';
import test from 'ava';
import { Session } from '../../cluster/session.js';
import { TestCall } from './calls.js';

const steps = fc.array(
  fc.record({
    partition: fc.nat(1),
    route: fc.nat(2),
    /** How many of those under way are answered before the next comes, and which. */
    answers: fc.array(fc.nat(), { maxLength: 3 }),
    /** Those under way that go on by another route before that, and which. */
    turns: fc.array(fc.tuple(fc.nat(), fc.nat(2)), { maxLength: 2 }),
    /** Answered at once, before it could enter (no replicas) or as soon as it did. */
    at: fc.constantFrom('later', 'later', 'later', 'entering', 'before'),
  }),
  { maxLength: 40 },
);

test('commands on one partition start in order, and never while others are under way on another route', (t) => {
  fc.assert(
    fc.property(steps, (list) => {
      const started: { readonly call: TestCall; readonly route: number }[] = [];
      const underWay: { readonly call: TestCall; route: number }[] = [];
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
        if (underWay.some((other) => other.call.partition === call.partition && other.route !== route))
          wrong.push(`${call.name} beside another route`);
        started.push({ call, route });
        underWay.push({ call, route });
        if (at === 'entering') answer(call);
      };
      const session = new Session((call) => submit(call as TestCall));
      const calls = list.map(({ partition, route, answers, turns, at }, i) => {
        const call = new TestCall(String(i), partition);
        call.session = session;
        routes.set(call, { route, at });
        submit(call);
        for (const [which, to] of turns) {
          const turned = underWay[which % Math.max(1, underWay.length)];
          if (turned === undefined) continue;
          turned.route = to;
          session.reroute(turned.call, to);
        }
        for (const which of answers) {
          const next = underWay[which % Math.max(1, underWay.length)];
          if (next !== undefined) answer(next.call);
        }
        return call;
      });
      for (let next = underWay[0]; next !== undefined; next = underWay[0]) answer(next.call);
      for (const partition of [0, 1]) {
        const order = started.filter(({ call }) => call.partition === partition).map(({ call }) => Number(call.name));
        if (order.some((name, i) => i > 0 && name < (order[i - 1] ?? -1))) wrong.push(`partition ${partition}: ${order.join(' ')}`);
      }
      for (const call of calls) if (call.replies.length !== 1) wrong.push(`${call.name} has ${call.replies.length} replies`);
      t.deepEqual(wrong, []);
    }),
    { numRuns: 300 },
  );
});

test('on one route commands go side by side; another route waits for all of them', (t) => {
  const resumed: string[] = [];
  const session = new Session((call) => resumed.push((call as TestCall).name));
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
  const session = new Session((call) => resumed.push((call as TestCall).name));
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
  const session = new Session((call) => resumed.push((call as TestCall).name));
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
  });
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
  });
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
  });
  for (const call of calls) call.session = session;
  t.true(session.enter(first, 2));
  for (const call of [read, write, last]) t.false(session.enter(call, 1));
  first.answer('OK');
  t.deepEqual(started, ['read', 'write', 'last']);
});
