/** Named scenarios on a simulated cluster of real nodes: streams that both sides of a partition add to, delete from and trim. */
import test, { type ExecutionContext } from 'ava';
import { ask } from './scenario.js';
import { insistent, partedAfter, type Sides } from './two-sides.js';

interface Entry {
  readonly id: string;
  readonly fields: readonly string[];
}

interface Bytes {
  readonly data: readonly number[];
}
const textOf = ({ data }: Bytes): string => Buffer.from(data).toString();
const entriesOf = (reply: string | null): Entry[] =>
  (JSON.parse(reply ?? '[]') as readonly (readonly [Bytes, readonly Bytes[]])[]).map(([id, fields]) => ({
    id: textOf(id),
    fields: fields.map(textOf),
  }));

/** A stream `s` with entries of these ids, and a partition between `a` and the others. In the end, its entries. */
async function parted(
  ...before: string[]
): Promise<Omit<Sides, 'healed'> & { readonly healed: (t: ExecutionContext) => Promise<Entry[]> }> {
  const added = before.map((id) => ['XADD', 's', id, 'by', 'both']);
  const sides = await partedAfter(added, ['XDEL', 's', '999-1'], ['XRANGE', 's', '-', '+']);
  const healed = async (t: ExecutionContext): Promise<Entry[]> => {
    const entries = entriesOf(await sides.healed(t));
    t.is(await ask(sides.cluster, 'c', ['XLEN', 's']), String(entries.length));
    return entries;
  };
  return { ...sides, healed };
}

const idsOf = (entries: readonly Entry[]): string[] => entries.map(({ id }) => id);

test('ids that the server chooses are never the same on two sides: every entry stays, even behind a last id that is ahead of the clocks', async (t) => {
  const ahead = '9999999999999';
  const { left, right, healed } = await parted(`${ahead}-1`);
  const given: string[] = [];
  for (let i = 0; i < 3; i++) {
    given.push(String(await left('XADD', 's', '*', 'by', `left${i}`)));
    given.push(String(await right('XADD', 's', '*', 'by', `right${i}`)));
    given.push(String(await left('XADD', 's', `${ahead}-*`, 'by', `open-left${i}`)));
    given.push(String(await right('XADD', 's', `${ahead}-*`, 'by', `open-right${i}`)));
  }
  t.is(new Set(given).size, 12);
  for (const id of given) t.regex(id, /^9999999999999-\d+$/, 'right behind the last one');
  const entries = await healed(t);
  t.deepEqual(new Set(idsOf(entries)), new Set([`${ahead}-1`, ...given]));
  for (const side of ['left', 'right'])
    t.deepEqual(
      entries.map(({ fields }) => fields[1]).filter((by) => by?.startsWith(side)),
      [`${side}0`, `${side}1`, `${side}2`],
      'in the order in which the side wrote them',
    );
});

test('of equal ids that clients chose the latest entry is there, once', async (t) => {
  const { cluster, left, right, healed } = await parted('1-1');
  t.is(await left('XADD', 's', '5-1', 'by', 'left'), '5-1');
  await cluster.scheduler.runFor(100);
  t.is(await right('XADD', 's', '5-1', 'by', 'right'), '5-1');
  t.is(await left('XADD', 's', '6-1', 'by', 'left'), '6-1');
  t.is(await right('XADD', 's', '4-1', 'by', 'right'), 'ERR The ID specified in XADD is equal or smaller than the target stream top item');
  const entries = await healed(t);
  t.deepEqual(idsOf(entries), ['1-1', '5-1', '6-1']);
  t.true(['left', 'right'].includes(entries[1]?.fields[1] ?? ''));
});

test('XDEL takes away what it saw; what the other side added stays, and the last id is never given again', async (t) => {
  const { cluster, left, right, healed } = await parted('1-1', '2-1');
  t.is(await left('XDEL', 's', '1-1', '2-1'), '2');
  t.is(await left('XLEN', 's'), '0');
  t.is(await right('XDEL', 's', '1-1'), '1');
  t.is(await right('XADD', 's', '3-1', 'by', 'right'), '3-1');
  t.deepEqual(idsOf(await healed(t)), ['3-1']);
  t.is(await insistent(cluster, 'c', ['XDEL', 's', '3-1']), '1');
  t.regex(String(await insistent(cluster, 'b', ['XADD', 's', '3-1', 'by', 'late'])), /^ERR The ID specified in XADD is equal or smaller/);
  t.is(await insistent(cluster, 'b', ['XADD', 's', '3-2', 'by', 'late']), '3-2');
});

test('XTRIM takes away what it saw, one by one or as a whole; what the other side added stays', async (t) => {
  const before = Array.from({ length: 70 }, (_, i) => `${i + 1}-1`);
  const { left, right, healed } = await parted(...before);
  t.is(await left('XTRIM', 's', 'MAXLEN', '1'), '69');
  t.is(await left('XADD', 's', '80-1', 'by', 'left'), '80-1');
  t.is(await right('XADD', 's', '71-1', 'by', 'right'), '71-1');
  t.is(await right('XTRIM', 's', 'MINID', '3'), '2');
  t.deepEqual(idsOf(await healed(t)), ['70-1', '71-1', '80-1']);
});

test('a stream that both sides emptied stays, with the greatest last id of the two; a side that deletes it spares what it had not seen', async (t) => {
  const { cluster, left, right, healed } = await parted('1-1');
  t.is(await left('XTRIM', 's', 'MAXLEN', '0'), '1');
  t.is(await right('XADD', 's', 'MAXLEN', '0', '7-1', 'by', 'right'), '7-1');
  t.deepEqual(await healed(t), []);
  t.regex(String(await insistent(cluster, 'a', ['XADD', 's', '7-1', 'by', 'late'])), /^ERR The ID specified/);

  const second = await parted('1-1');
  t.is(await second.left('DEL', 's'), '1');
  t.is(await second.right('XADD', 's', '2-1', 'by', 'right'), '2-1');
  t.deepEqual(idsOf(await second.healed(t)), ['2-1']);
});

test('XSETID: the greatest of both sides and of what was added meanwhile; what it saw it may lower', async (t) => {
  const { cluster, left, right, healed } = await parted('1-1');
  t.is(await left('XSETID', 's', '9-1'), 'OK');
  t.is(await right('XADD', 's', '7-1', 'by', 'right'), '7-1');
  t.is(await right('XSETID', 's', '8-1', 'MAXDELETEDID', '5-1'), 'OK');
  t.deepEqual(idsOf(await healed(t)), ['1-1', '7-1']);
  t.regex(String(await insistent(cluster, 'c', ['XADD', 's', '9-1', 'by', 'late'])), /^ERR The ID specified/);
  t.regex(String(await insistent(cluster, 'c', ['XSETID', 's', '4-1'])), /smaller than current max_deleted_entry_id/, 'of the other side');
  t.is(await insistent(cluster, 'c', ['XSETID', 's', '7-1']), 'OK', 'both marks were seen, and go');
  t.is(await insistent(cluster, 'a', ['XADD', 's', '8-1', 'by', 'late']), '8-1');
});
