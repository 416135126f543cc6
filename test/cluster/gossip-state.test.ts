/** How states of a node meet: the laws without which views would depend on the road that news took. */
import test from 'ava';
import fc from '../harness/properties.js';
import { compareDigests, merge, newsFor, statuses, type MemberState } from '../../cluster/gossip-state.js';

/** What a node says of itself is a function of its incarnation and heartbeat; others may add a status. */
function stateOf(incarnation: number, heartbeat: number, rank: number): MemberState {
  const lastMultiple = (of: number): number => Math.max(1, heartbeat - (heartbeat % of));
  return {
    nodeId: 'n',
    incarnation,
    heartbeat,
    status: statuses[rank] ?? 'up',
    clock: incarnation * 1000 + heartbeat,
    load: (incarnation * 7 + heartbeat) % 5,
    intervalMs: 1000,
    description: {
      at: lastMultiple(7),
      value: { nodeId: 'n', host: `host ${incarnation} ${lastMultiple(7)}`, clientPort: 1, peerPort: 2, zone: '', hostLabel: '' },
    },
    seen: { at: lastMultiple(3), value: Buffer.from([incarnation, lastMultiple(3)]) },
  };
}

const states = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 2 }))
  .map(([incarnation, heartbeat, rank]) => stateOf(incarnation, heartbeat, rank));

/** As they travel: some without parts that their receiver is known to have. */
const travelling = fc.tuple(states, fc.option(states, { nil: undefined })).map(([state, known]) => newsFor(state, known));

test('merging is commutative, associative and idempotent, with parts left out or not', (t) => {
  fc.assert(
    fc.property(travelling, travelling, travelling, (x, y, z) => {
      t.deepEqual(merge(x, y), merge(y, x));
      t.deepEqual(merge(merge(x, y), z), merge(x, merge(y, z)));
      t.deepEqual(merge(x, x), x);
    }),
    { numRuns: 2000 },
  );
});

test('the merged state is the newer one, and what changes nothing is the same object', (t) => {
  fc.assert(
    fc.property(states, states, (x, y) => {
      const merged = merge(x, y);
      t.is(compareDigests(merged, x) >= 0 && compareDigests(merged, y) >= 0, true);
      t.deepEqual(merged, compareDigests(x, y) >= 0 ? x : y);
      if (compareDigests(x, y) > 0) t.is(merge(x, y), x);
    }),
  );
});

test('what a node is sent makes what it had into what the sender has', (t) => {
  fc.assert(
    fc.property(states, states, (mine, yours) => {
      if (compareDigests(mine, yours) <= 0) return;
      t.deepEqual(merge(yours, newsFor(mine, yours)), mine);
    }),
    { numRuns: 1000 },
  );
});

test('a suspicion stands against the heartbeat it is about, and falls to the next, and to a new incarnation', (t) => {
  const silent = stateOf(1, 5, 1);
  t.is(merge(stateOf(1, 5, 0), silent).status, 'suspected');
  t.is(merge(stateOf(1, 6, 0), silent).status, 'up');
  t.is(merge(stateOf(2, 1, 0), stateOf(1, 5, 2)).status, 'up');
  t.is(merge(stateOf(1, 5, 2), silent).status, 'down');
});
