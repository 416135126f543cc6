/** Named scenarios on a simulated cluster of real nodes: a consumer group that both sides of a partition read, acknowledge and claim through. */
import test, { type ExecutionContext } from 'ava';
import { convergenceFault } from './convergence.js';
import { ask, homes, started, well } from './scenario.js';
import { insistent, partedAfter, type Sides } from './two-sides.js';

/** Every value in a reply that `textOf` showed, buffers as text. */
type Shown = string | number | null | readonly Shown[];
function opened(reply: string | null): Shown {
  return JSON.parse(reply ?? 'null', (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const { data, entries } = value as { data?: readonly number[]; entries?: unknown };
    return data === undefined ? (entries ?? value) : Buffer.from(data).toString();
  }) as Shown;
}

/** Ids in the reply of XREADGROUP of one stream. */
const idsOf = (reply: string | null): string[] => {
  const shown = opened(reply);
  const [[, entries] = ['', []]] = (Array.isArray(shown) ? shown : []) as readonly (readonly [
    string,
    readonly (readonly [string, Shown])[],
  ])[];
  return entries.map(([id]) => id);
};
/** `[id, consumer, times]` of what `g` has pending, in the reply of XINFO STREAM FULL. */
function pendingOf(reply: string | null): Shown {
  const fieldOf = (fields: Shown, name: string): Shown =>
    (fields as readonly (readonly [string, Shown])[]).find(([each]) => each === name)?.[1] ?? [];
  const group = (fieldOf(opened(reply), 'groups') as readonly Shown[]).find((each) => fieldOf(each, 'name') === 'g') ?? [];
  const pending = fieldOf(group, 'pending') as readonly (readonly [string, string, number, number])[];
  return pending.map(([id, consumer, , times]) => [id, consumer, times]);
}

const read = (consumer: string, ...options: string[]): string[] => ['XREADGROUP', 'GROUP', 'g', consumer, ...options, 'STREAMS', 's', '>'];
const question = ['XINFO', 'STREAM', 's', 'FULL', 'COUNT', '0'];

/** A stream `s` with these ids and a group `g` that has read nothing, and a partition between `a` and the others. In the end, what is pending. */
async function parted(
  before: readonly string[],
  more: readonly (readonly string[])[] = [],
): Promise<Omit<Sides, 'healed'> & { readonly healed: (t: ExecutionContext) => Promise<Shown> }> {
  const added = before.map((id) => ['XADD', 's', id, 'by', 'both']);
  const sides = await partedAfter([...added, ['XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM'], ...more], ['XDEL', 's', '999-1'], question);
  return { ...sides, healed: async (t) => pendingOf(await sides.healed(t)) };
}

test('each entry is given out at least once: what one side added before the last id that the other gave is given after they meet', async (t) => {
  const { cluster, left, right, healed } = await parted(['1-1']);
  t.is(await left('XADD', 's', '2-1', 'by', 'left'), '2-1');
  t.is(await left('XADD', 's', '5-1', 'by', 'left'), '5-1');
  t.is(await right('XADD', 's', '3-1', 'by', 'right'), '3-1');
  t.is(await right('XADD', 's', '9-1', 'by', 'right'), '9-1');
  t.deepEqual(idsOf(await left(...read('l'))), ['1-1', '2-1', '5-1']);
  t.deepEqual(idsOf(await right(...read('r', 'COUNT', '2'))), ['1-1', '3-1']);
  t.is(await left('XADD', 's', '6-1', 'by', 'left'), '6-1');
  await healed(t);
  t.deepEqual(idsOf(await insistent(cluster, 'c', read('c'))), ['6-1', '9-1'], 'and nothing once more that either side gave');
  t.is(await insistent(cluster, 'b', ['XADD', 's', '10-1', 'by', 'late']), '10-1');
  t.deepEqual(idsOf(await insistent(cluster, 'a', read('c'))), ['10-1']);
  t.deepEqual(idsOf(await insistent(cluster, 'b', read('c'))), []);
});

test('what the other side added far before the last id is found, and what is new is not kept waiting', async (t) => {
  const many = Array.from({ length: 30 }, (_, i) => `${100 + i}-1`);
  const { cluster, left, right, healed } = await parted(['1-1']);
  t.is(await right('XADD', 's', '2-1', 'by', 'right'), '2-1');
  for (const id of many) await left('XADD', 's', id, 'by', 'left');
  t.is(idsOf(await left(...read('l'))).length, 31);
  await healed(t);
  t.is(await insistent(cluster, 'c', ['XADD', 's', '200-1', 'by', 'late']), '200-1');
  t.deepEqual(idsOf(await insistent(cluster, 'c', read('c', 'COUNT', '1'))), ['2-1']);
  t.deepEqual(idsOf(await insistent(cluster, 'c', read('c', 'COUNT', '5'))), ['200-1']);
});

test('an acknowledgement beats a claim that had not seen it, and a delivery that it had not seen stays pending', async (t) => {
  const { left, right, healed } = await parted(['1-1', '2-1', '3-1'], [read('c', 'COUNT', '2')]);
  t.is(await left('XACK', 's', 'g', '1-1', '2-1'), '2');
  t.is((await right('XCLAIM', 's', 'g', 'd', '0', '1-1', 'JUSTID', 'RETRYCOUNT', '7')) === null, false);
  t.deepEqual(idsOf(await left(...read('l'))), ['3-1']);
  t.is(await left('XACK', 's', 'g', '3-1'), '1');
  t.deepEqual(idsOf(await right(...read('r'))), ['3-1']);
  t.deepEqual(await healed(t), [['3-1', 'r', 1]]);
});

test('of two claims the latest counts', async (t) => {
  const { cluster, left, right, healed } = await parted(['1-1'], [read('c')]);
  await left('XCLAIM', 's', 'g', 'l', '0', '1-1', 'RETRYCOUNT', '5');
  await cluster.scheduler.runFor(100);
  await right('XCLAIM', 's', 'g', 'r', '0', '1-1', 'RETRYCOUNT', '3');
  t.deepEqual(await healed(t), [['1-1', 'r', 3]]);
});

test('a group that one side destroys lives on where the other one reads through it; made on both sides it is one', async (t) => {
  const { cluster, left, right, healed } = await parted(['1-1', '2-1'], [read('c', 'COUNT', '1')]);
  t.is(await left('XGROUP', 'DESTROY', 's', 'g'), '1');
  t.deepEqual(idsOf(await right(...read('r'))), ['2-1']);
  t.is(await left('XGROUP', 'CREATE', 's', 'h', '0'), 'OK');
  t.is(await right('XGROUP', 'CREATE', 's', 'h', '0'), 'OK');
  t.deepEqual(await healed(t), [['2-1', 'r', 1]], 'what the destroyer saw is gone');
  const all = ['XREADGROUP', 'GROUP', 'h', 'c', 'STREAMS', 's', '>'];
  t.deepEqual(idsOf(await insistent(cluster, 'c', all)), ['1-1', '2-1']);
});

test('XGROUP SETID takes back what it saw of what was given, and nothing else', async (t) => {
  const { cluster, left, right, healed } = await parted(['1-1', '2-1', '3-1'], [read('c', 'COUNT', '2')]);
  t.is(await left('XGROUP', 'SETID', 's', 'g', '0'), 'OK');
  t.deepEqual(idsOf(await right(...read('r'))), ['3-1']);
  await healed(t);
  t.deepEqual(idsOf(await insistent(cluster, 'c', read('c'))), [], 'the other side has gone on from where it was');
  t.is(await insistent(cluster, 'c', ['XGROUP', 'SETID', 's', 'g', '0']), 'OK');
  t.deepEqual(idsOf(await insistent(cluster, 'c', read('c'))), ['1-1', '2-1', '3-1']);
});

test('found by seed 960057: a coordinator that was superseded unawares, and comes to hold what was written since, runs nothing on it in its old term', async (t) => {
  const cluster = await started({ partitions: 1, network: { spikeChance: 0, cutChance: 0, lateDetectionMs: 1 } });
  const [first = '', second = '', third = ''] = homes(cluster, '{s}');
  for (const words of [
    ['XADD', '{s}', '1-1', 'f', 'v'],
    ['XGROUP', 'CREATE', '{s}', 'g', '0'],
    ['SET', '{s}from', 'kept'],
    ['SET', '{s}to', 'old'],
  ])
    await insistent(cluster, first, words);
  const take = ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', '{s}', '>'];
  t.deepEqual(idsOf(await insistent(cluster, first, take)), ['1-1']);
  await well(cluster);
  for (const [from, to] of [
    [first, second],
    [second, first],
  ] as const)
    cluster.network.block(from, to);
  t.is(await insistent(cluster, second, ['XADD', '{s}', '2-1', 'f', 'v']), '2-1');
  t.deepEqual(idsOf(await insistent(cluster, second, take)), ['2-1']);
  t.is(await insistent(cluster, second, ['DEL', '{s}to']), '1');
  // What is new comes by the way of the third node, which tells what it has and not whom it promised anything.
  const seenAt = (name: string): ReadonlyMap<number, number> => cluster.runningNow(name).store.partition(0).seen;
  const isBroughtUp = (): boolean => [...seenAt(third)].every(([actor, counter]) => (seenAt(first).get(actor) ?? 0) >= counter);
  await cluster.scheduler.runFor(10_000, isBroughtUp);
  t.true(isBroughtUp());
  await ask(cluster, first, take, true);
  await ask(cluster, first, ['RENAME', '{s}from', '{s}to'], true);
  for (const [from, to] of [
    [first, second],
    [second, first],
  ] as const)
    cluster.network.unblock(from, to);
  await well(cluster);
  const again = await insistent(cluster, third, take);
  t.notRegex(String(again), /^NOGROUP/);
  t.deepEqual(idsOf(again), [], 'nothing is given twice');
  const found = [await ask(cluster, third, ['GET', '{s}from']), await ask(cluster, third, ['GET', '{s}to'])];
  t.deepEqual(
    found.filter((value) => value !== null),
    ['kept'],
    'in one place',
  );
  t.is(await convergenceFault(cluster), undefined);
});
