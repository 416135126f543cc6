/** Named scenarios on a simulated cluster of real nodes: lists that both sides of a partition push to, insert into, pop from and set. */
import test, { type ExecutionContext } from 'ava';
import { ask } from './scenario.js';
import { partedAfter, type Sides } from './two-sides.js';

const valuesOf = (reply: string | null): string[] =>
  (JSON.parse(reply ?? '[]') as { readonly data: readonly number[] }[]).map(({ data }) => Buffer.from(data).toString());

/** A list `l` of `before`, and a partition between `a` and the others. In the end, its values. */
async function parted(
  ...before: string[]
): Promise<Omit<Sides, 'healed'> & { readonly healed: (t: ExecutionContext) => Promise<string[]> }> {
  const sides = await partedAfter(
    before.length > 0 ? [['RPUSH', 'l', ...before]] : [],
    ['LREM', 'l', '0', 'nobody'],
    ['LRANGE', 'l', '0', '-1'],
  );
  return { ...sides, healed: async (t) => valuesOf(await sides.healed(t)) };
}

test('both sides push to both ends: all of it stays, in one order, in which each side has its own', async (t) => {
  const { left, right, healed } = await parted('x');
  for (const side of [left, right]) {
    const name = side === left ? 'l' : 'r';
    t.is(await side('RPUSH', 'l', `${name}1`, `${name}2`), '3');
    t.is(await side('LPUSH', 'l', `${name}3`), '4');
    t.is(await side('RPUSH', 'l', `${name}4`), '5');
  }
  const values = await healed(t);
  t.is(values.length, 9);
  for (const name of ['l', 'r'])
    t.deepEqual(
      values.filter((value) => value.startsWith(name) || value === 'x'),
      [`${name}3`, 'x', `${name}1`, `${name}2`, `${name}4`],
    );
});

test('both sides insert at one pivot: all stays beside it, and there is room between what they inserted', async (t) => {
  const { cluster, left, right, healed } = await parted('x', 'y');
  for (const [side, name] of [
    [left, 'l'],
    [right, 'r'],
  ] as const) {
    t.is(await side('LINSERT', 'l', 'BEFORE', 'y', `${name}1`), '3');
    t.is(await side('LINSERT', 'l', 'AFTER', 'x', `${name}2`), '4');
  }
  const values = await healed(t);
  t.is(values[0], 'x');
  t.is(values.at(-1), 'y');
  t.deepEqual(values.slice(1, 3).toSorted(), ['l2', 'r2']);
  t.deepEqual(values.slice(3, 5).toSorted(), ['l1', 'r1']);
  t.is(await ask(cluster, 'c', ['LINSERT', 'l', 'AFTER', values[1] ?? '', 'between']), '7');
  await cluster.scheduler.runFor(100); // R is 1: a node shows what it has
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['LINDEX', 'l', '2']), 'between');
});

test('a pop removes what it saw: what the other side pushed stays, and both sides may pop the same', async (t) => {
  const { left, right, healed } = await parted('x', 'y', 'z');
  t.is(await left('LPOP', 'l'), 'x');
  t.is(await right('LPOP', 'l'), 'x');
  t.is(await right('RPOP', 'l'), 'z');
  t.is(await left('RPUSH', 'l', 'pushed'), '3');
  t.deepEqual(await healed(t), ['y', 'pushed']);
});

test('a side that drains the list takes away what it saw and nothing else', async (t) => {
  const { left, right, healed } = await parted('x', 'y');
  t.regex(String(await left('LPOP', 'l', '10')), /^\[/);
  t.is(await left('LLEN', 'l'), '0');
  t.is(await right('RPUSH', 'l', 'pushed'), '3');
  t.deepEqual(await healed(t), ['pushed']);
});

test('LSET on both sides: the latest value, once, where it stood; and it beats a pop that had not seen it', async (t) => {
  const { cluster, left, right, healed } = await parted('x', 'y', 'z');
  t.is(await left('LSET', 'l', '1', 'left'), 'OK');
  await cluster.scheduler.runFor(100);
  t.is(await right('LSET', 'l', '1', 'right'), 'OK');
  t.is(await left('LPOP', 'l'), 'x');
  t.is(await right('LSET', 'l', '0', 'set'), 'OK');
  const values = await healed(t);
  t.is(values[0], 'set');
  t.true(['left', 'right'].includes(values[1] ?? ''));
  t.is(values[2], 'z');
  t.is(values.length, 3);
});
