/** What one node makes of what it hears, and does not hear, of others; and three-message exchanges between views. */
import test from 'ava';
import fc from '../harness/properties.js';
import type { NodeDescription } from '../../cluster/configuration.js';
import { phiOf } from '../../cluster/phi-accrual.js';
import { GossipView, type Change } from '../../cluster/gossip-view.js';

const directives = { gossipIntervalMs: 1000, phiThreshold: 8, suspicionTimeoutMs: 5000 };
const at = (nodeId: string, host = nodeId): NodeDescription => ({ nodeId, host, clientPort: 1, peerPort: 2, zone: '', hostLabel: '' });
const words = { clock: 1, load: 0, seen: Buffer.alloc(0) };

function view(nodeId: string, incarnation = 1, host = nodeId): GossipView {
  return new GossipView(at(nodeId, host), incarnation, () => 1000, directives);
}

/** All three messages; what came of them at the dialer and the acceptor. */
function exchange(dialer: GossipView, acceptor: GossipView, nowMs: number): { readonly dialer: Change[]; readonly acceptor: Change[] } {
  const changes: { dialer: Change[]; acceptor: Change[] } = { dialer: [], acceptor: [] };
  const first = dialer.opening(nowMs);
  changes.acceptor = acceptor.take(first, nowMs);
  const second = acceptor.answer(first, nowMs);
  if (second === undefined) return changes;
  changes.dialer = dialer.take(second, nowMs);
  const third = dialer.answer(second, nowMs);
  if (third !== undefined) changes.acceptor.push(...acceptor.take(third, nowMs));
  return changes;
}

const known = (of: GossipView): string[] =>
  [...of.others()].map(({ state }) => `${state.nodeId} ${state.incarnation} ${state.heartbeat} ${state.status}`).sort();
const kinds = (changes: readonly Change[]): string[] => changes.map(({ kind, nodeId }) => `${nodeId} ${kind}`);

test('after one exchange both know what either knew, whatever each knew before', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 })), { maxLength: 30 }), (pairs) => {
      const views = ['a', 'b', 'c', 'd', 'e', 'f'].map((nodeId) => view(nodeId));
      let nowMs = 0;
      for (const [x, y] of pairs) {
        const [dialer, acceptor] = [views[x], views[y]];
        if (dialer === undefined || acceptor === undefined || x === y) continue;
        nowMs += 100;
        if (x % 2 === 0) dialer.beat({ ...words, seen: Buffer.from([nowMs % 251]) });
        const before = new Set([...known(dialer), ...known(acceptor)].map((line) => line.split(' ')[0]));
        exchange(dialer, acceptor, nowMs);
        const both = (of: GossipView) => [...of.others(), { state: of.ownState }].map(({ state }) => state);
        const sorted = (of: GossipView) => both(of).sort((p, q) => (p.nodeId < q.nodeId ? -1 : 1));
        t.deepEqual(sorted(dialer), sorted(acceptor));
        for (const nodeId of before) t.true(sorted(dialer).some((state) => state.nodeId === nodeId));
      }
    }),
    { numRuns: 200 },
  );
});

test('an exchange between views that agree is one message', (t) => {
  const [a, b] = [view('a'), view('b')];
  exchange(a, b, 0);
  t.is(b.answer(a.opening(0), 0), undefined);
});

test('phi rises as the table says, suspicion comes at the threshold, down after the timeout, and a heartbeat ends it', (t) => {
  const [a, b] = [view('a'), view('b')];
  let nowMs = 0;
  for (; nowMs < 20_000; nowMs += 1000) {
    b.beat(words);
    exchange(a, b, nowMs);
    t.deepEqual(a.judge(nowMs), []);
  }
  const lastMs = nowMs - 1000;
  // Perfectly regular: the floor of the deviation is the interval. The table of the normal distribution's upper tail at 0 to 4 deviations.
  for (const [deviations, tail] of [0.5, 0.158655, 0.02275, 0.0013499, 0.0000317].entries()) {
    const chance = 10 ** -a.phiOf('b', lastMs + 1000 + 1000 * deviations);
    t.true(Math.abs(chance - tail) < 0.0002, `${deviations}: ${chance}`);
  }
  let suspectedMs = 0;
  let downMs = 0;
  for (nowMs = lastMs; downMs === 0; nowMs += 100) {
    for (const { kind } of a.judge(nowMs)) {
      if (kind === 'suspected') suspectedMs = nowMs;
      if (kind === 'down') downMs = nowMs;
    }
  }
  t.true(phiOf(suspectedMs - lastMs, 1000, 1000) > 8 && phiOf(suspectedMs - 100 - lastMs, 1000, 1000) <= 8);
  t.is(downMs - suspectedMs, 5000);
  b.beat(words);
  t.deepEqual(kinds(exchange(a, b, nowMs).dialer), ['b renewed', 'b up']);
  t.true(a.phiOf('b', nowMs + 1000) < 1, 'the silence is not part of its rhythm');
});

test('a node that hears that it is suspected raises its incarnation, once, and everyone believes it', (t) => {
  const [a, b, c] = [view('a'), view('b'), view('c')];
  exchange(a, b, 0);
  exchange(a, c, 0);
  t.deepEqual(kinds(a.suspect('b', 100)), ['b suspected']);
  t.deepEqual(a.suspect('b', 100), []);
  t.deepEqual(kinds(exchange(c, a, 200).dialer), ['b suspected'], 'the suspicion spreads');
  const { acceptor, dialer } = exchange(a, b, 300);
  t.deepEqual(
    [kinds(acceptor), kinds(dialer)],
    [
      ['b refuted', 'c met'],
      ['b renewed', 'b up'],
    ],
  );
  t.is(b.ownState.incarnation, 2);
  exchange(c, b, 350); // says the same of the incarnation before
  t.deepEqual([b.ownState.incarnation, b.refutations], [2, 1]);
  t.deepEqual(kinds(exchange(a, c, 500).acceptor), []);
  t.is(c.get('b')?.state.status, 'up');
});

test('who heard a later heartbeat does not take over a suspicion', (t) => {
  const [a, b, c] = [view('a'), view('b'), view('c')];
  exchange(a, b, 0);
  b.beat(words);
  exchange(c, b, 0);
  a.suspect('b', 0);
  const { dialer, acceptor } = exchange(a, c, 100);
  t.deepEqual([kinds(dialer), kinds(acceptor)], [['b up', 'c met'], []]);
  t.is(a.get('b')?.state.status, 'up');
});

test('a process that began anew is known by its greater incarnation, wherever it is now', (t) => {
  const a = view('a');
  exchange(a, view('b', 10), 0);
  a.suspect('b', 0);
  t.deepEqual(kinds(exchange(a, view('b', 11, 'elsewhere'), 100).dialer), ['b renewed', 'b moved', 'b up']);
  t.is(a.get('b')?.description.host, 'elsewhere');
  const reborn = view('b', 5, 'third'); // its clock is behind that of its earlier process
  t.deepEqual(kinds(exchange(a, reborn, 200).acceptor), ['b refuted', 'a met'], 'it is told at once');
  exchange(reborn, a, 300);
  exchange(reborn, a, 400);
  t.is(a.get('b')?.description.host, 'third');
  t.true(reborn.ownState.incarnation > 11);
});

test('an incarnation that nobody could refute is ignored', (t) => {
  const [a, b] = [view('a'), view('b')];
  exchange(a, b, 0);
  const { state } = b.get('a') ?? t.fail() ?? { state: b.ownState };
  const lie = { ...state, incarnation: 2 ** 52, status: 'down' } as const;
  t.deepEqual([b.take({ digests: [lie], news: [lie] }, 0), a.take({ digests: [lie], news: [lie] }, 0)], [[], []]);
  t.is(b.get('a')?.state.status, 'up');
  t.is(a.ownState.incarnation, 1);
});

test('a node that stood still blames nobody for the time', (t) => {
  const [a, b] = [view('a'), view('b')];
  let nowMs = 0;
  for (; nowMs < 5000; nowMs += 100) {
    if (nowMs % 1000 === 0) {
      b.beat(words);
      exchange(a, b, nowMs);
    }
    a.judge(nowMs);
  }
  t.deepEqual(a.judge(nowMs + 60_000), []);
  t.deepEqual(a.judge(nowMs + 60_100), []);
  t.true(a.phiOf('b', nowMs + 60_100) < 1);
});

test('a member that nothing was ever heard of is suspected and then down, and nobody is told', (t) => {
  const [a, b] = [view('a'), view('b')];
  a.expect(at('c'), 0);
  const seen: string[] = [];
  for (let nowMs = 0; nowMs < 20_000; nowMs += 100) seen.push(...kinds(a.judge(nowMs)));
  t.deepEqual(seen, ['c suspected', 'c down']);
  exchange(b, a, 20_000);
  t.is(b.get('c'), undefined);
});

test('who is down for long is not told of any more, and then forgotten everywhere', (t) => {
  const [a, b, c] = [view('a'), view('b'), view('c')];
  exchange(a, b, 0);
  const gone: string[] = [];
  for (let nowMs = 0; nowMs < 15 * 60_000; nowMs += 500) {
    gone.push(...a.judge(nowMs).flatMap(({ kind, nodeId }) => (kind === 'forgotten' ? [nodeId] : [])));
    if (nowMs === 8 * 60_000) {
      exchange(c, a, nowMs);
      t.is(c.get('b'), undefined, 'a knows of it, and does not tell');
      t.not(a.get('b'), undefined);
    }
  }
  t.true(gone.includes('b'));
  t.is(a.get('b'), undefined);
});
