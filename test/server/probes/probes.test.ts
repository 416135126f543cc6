/** What each probe answers, state by state. */
import test from 'ava';
import { isReady, type Readiness } from '../../../cluster/readiness.js';
import { probeRoutes, type ProbedNode } from '../../../server/probes/probes.js';

const ready: Readiness = {
  ringKnown: true,
  meeting: false,
  leaving: false,
  full: false,
  behind: false,
  diskRefusal: undefined,
  doubtfulPartitions: 0,
  shortPartitions: 0,
  homePartitions: 1024,
};
const serving: ProbedNode = { storageOpen: true, listening: true, readiness: ready };

async function ask(
  node: ProbedNode,
  path: string,
): Promise<{ readonly status: number; readonly failing: readonly string[]; readonly reasons: string }> {
  const answer = await probeRoutes(node).get(path)?.();
  const { ok, checks } = JSON.parse(answer?.body ?? '') as { ok: boolean; checks: { name: string; ok: boolean; reason?: string }[] };
  const failing = checks.filter((check) => !check.ok);
  if (ok !== (failing.length === 0)) throw new Error(`ok is ${ok} of ${answer?.body}`);
  return { status: answer?.status ?? 0, failing: failing.map(({ name }) => name), reasons: failing.map(({ reason }) => reason).join('; ') };
}

test('a node that serves passes all three', async (t) => {
  t.true(isReady(ready));
  for (const path of ['/livez', '/startupz', '/readyz']) t.deepEqual(await ask(serving, path), { status: 200, failing: [], reasons: '' });
});

test('a node that replays its log is live, and neither started nor ready', async (t) => {
  const starting: ProbedNode = { storageOpen: false, listening: false, readiness: undefined };
  t.is((await ask(starting, '/livez')).status, 200);
  t.like(await ask(starting, '/startupz'), { status: 503, failing: ['storage', 'listener'] });
  t.like(await ask(starting, '/readyz'), { status: 503, failing: ['storage', 'listener', 'ring', 'quorum'] });
});

const states: readonly (readonly [string, Partial<Readiness>, readonly string[], RegExp])[] = [
  ['that knows no configuration', { ringKnown: false }, ['ring', 'quorum'], /initial-nodes nodes have not met/],
  ['that reaches too few replicas', { shortPartitions: 17 }, ['quorum'], /^17 of 1024 partitions have fewer reachable replicas/],
  ['that has just begun', { meeting: true }, ['peers'], /links between it and the others are still being made/],
  ['that rebuilds', { doubtfulPartitions: 3 }, ['rebuilt'], /^3 partitions are still compared/],
  ['whose disk is nearly full', { full: true }, ['disk'], /less than min-free-space is left/],
  ['whose disk is behind', { behind: true }, ['disk'], /write-backlog-max is reached/],
  [
    'whose disk refuses writes',
    { diskRefusal: 'cannot append to log-0: EIO' },
    ['disk'],
    /tried again each second: cannot append to log-0: EIO/,
  ],
  ['that drains', { leaving: true }, ['not-draining'], /about to stop/],
];
for (const [what, change, failing, reason] of states) {
  test(`a node ${what} is started and live, and not ready`, async (t) => {
    const node: ProbedNode = { ...serving, readiness: { ...ready, ...change } };
    t.is((await ask(node, '/livez')).status, 200);
    t.is((await ask(node, '/startupz')).status, 200);
    const answer = await ask(node, '/readyz');
    t.like(answer, { status: 503, failing });
    t.regex(answer.reasons, reason);
    t.false(isReady({ ...ready, ...change }), 'torc_ready says what /readyz says');
  });
}
