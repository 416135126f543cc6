/** A split command is the command: every key goes to its partition once, and the joined reply is what one partition would have answered. */
import fc from '../harness/properties.js';
import test from 'ava';
import { ErrorReply, ok, type Reply } from '../../protocol/resp/reply.js';
import { slotOf } from '../../protocol/slot.js';
import { allRows } from '../../server/commands/all.js';
import { joinSplit, splitByPartition } from '../../server/split.js';

const partitionOf = (key: Buffer): number => slotOf(key) % 4;
const keys = fc.array(
  fc.nat(30).map((number) => Buffer.from(`key${number}`)),
  { minLength: 1, maxLength: 20 },
);

test('MGET: every value stands where its key stood', (t) => {
  fc.assert(
    fc.property(keys, (list) => {
      const groups = splitByPartition({ first: 1, last: -1, step: 1 }, [Buffer.from('mget'), ...list], partitionOf);
      t.is(new Set(groups.map(({ partition }) => partition)).size, groups.length);
      const replies = groups.map(({ args, partition }) =>
        args.slice(1).map((key) => {
          t.is(partitionOf(key), partition);
          return Buffer.concat([Buffer.from('value of '), key]);
        }),
      );
      t.true(groups.every(({ args }) => args[0]?.toString() === 'mget'));
      t.deepEqual(
        joinSplit('array', groups, replies),
        list.map((key) => Buffer.concat([Buffer.from('value of '), key])),
      );
    }),
  );
});

test('MSET: pairs stay together, in order, repeated keys included', (t) => {
  fc.assert(
    fc.property(keys, (list) => {
      const args = [Buffer.from('mset'), ...list.flatMap((key, i) => [key, Buffer.from(String(i))])];
      const groups = splitByPartition({ first: 1, last: -1, step: 2 }, args, partitionOf);
      const written = new Map<string, string>();
      for (const group of groups) {
        for (let i = 1; i < group.args.length; i += 2) written.set(String(group.args[i]), String(group.args[i + 1]));
      }
      t.deepEqual(Object.fromEntries(written), Object.fromEntries(list.map((key, i) => [String(key), String(i)])));
    }),
  );
});

test('sums are added, OK stays OK, and the first error answers for all', (t) => {
  const groups = splitByPartition(
    { first: 1, last: -1, step: 1 },
    ['del', 'key1', 'key2', 'key3', 'key4'].map((arg) => Buffer.from(arg)),
    partitionOf,
  );
  const each = (reply: (i: number) => Reply): Reply[] => groups.map((_, i) => reply(i));
  t.true(groups.length > 1);
  t.is(
    joinSplit(
      'sum',
      groups,
      each((i) => i + 1),
    ),
    (groups.length * (groups.length + 1)) / 2,
  );
  t.is(
    joinSplit(
      'first-error-or-ok',
      groups,
      each(() => ok),
    ),
    ok,
  );
  const error = new ErrorReply('NOREPLICAS 1');
  for (const how of ['sum', 'array', 'first-error-or-ok'] as const) {
    t.is(
      joinSplit(
        how,
        groups,
        each((i) => (i === 1 ? error : how === 'array' ? [null] : 1)),
      ),
      error,
    );
  }
});

test('a gathered command is answered from all replies, and by an error where there is one', (t) => {
  const groups = splitByPartition(
    { first: 1, last: -1, step: 1 },
    ['pfcount', 'key1', 'key2', 'key3', 'key4'].map((arg) => Buffer.from(arg)),
    partitionOf,
  );
  const row = allRows.find(({ name }) => name === 'partition|registers');
  if (row?.scope !== 'partition') return t.fail('no such row');
  const how = { row, join: (replies: readonly Reply[]): Reply => replies.map((reply) => Number(reply) + 1) };
  const replies = groups.map((_, i) => i);
  t.deepEqual(
    joinSplit(how, groups, replies),
    replies.map((i) => i + 1),
  );
  const error = new ErrorReply('NOREPLICAS 1');
  t.is(joinSplit(how, groups, [...replies.slice(1), error]), error);
});
