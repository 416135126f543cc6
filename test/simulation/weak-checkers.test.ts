/** The checkers of what expires, and those for sloppy quorums, accept what may happen and refuse what must not. */
import test from 'ava';
import { checkCounterReadsAreOfIncrements, type CounterInput } from './counter-checker.js';
import { History } from './history.js';
import { checkFinalIsOfWrites, checkReadsAreOfWrites, type RegisterInput, type RegisterOutput } from './register-checker.js';
import { checkVolatileReads, checkVolatileReadsAreOfWrites, type VolatileInput, type VolatileOutput } from './volatile-checker.js';

/**
 * One after the other, each from one instant to another: `1+50@0-10` writes 1 for 50 ms, `1@0-10` for ever, `d@0-10` deletes, `e50@0-10` has what is there expire
 * after 50 ms, `p@0-10` never, `r1@0-10` reads 1, `r@0-10` nothing. A `?` behind it leaves it unknown, a `!` refuses it.
 */
function played(picture: string): History<VolatileInput, VolatileOutput> {
  const history = new History<VolatileInput, VolatileOutput>();
  for (const word of picture.split(' ')) {
    const [, what = '', from = '', until = '', mark = ''] = /^(.*)@(\d+)-(\d+)([?!]?)$/.exec(word) ?? [];
    const ran = { fromMs: Number(from), untilMs: Number(until) };
    const span = (text: string | undefined): number => (text === undefined || text === '' ? Infinity : Number(text));
    const [value = '', spanMs] = what.split('+');
    const input: VolatileInput = what.startsWith('r')
      ? { kind: 'read', ran }
      : what.startsWith('e') || what === 'p'
        ? { kind: 'expire', spanMs: span(what.slice(1)), ran }
        : { kind: 'write', value: what === 'd' ? null : value, spanMs: span(spanMs), ran };
    const ending = history.invoke('c', 'k', input);
    if (mark === '?') ending.leaveUnknown();
    else if (mark === '!') ending.fail();
    else ending.complete(what.startsWith('r') && what.length > 1 ? what.slice(1) : null);
  }
  return history;
}

const right = [
  'r@0-1 1+50@10-12 r1@20-21 r@70-71',
  '1+50@10-12 r@59-60', // it may have run at 10, and this at 60
  '1+50@10-12 r1@62-70',
  '1+50@10-12? r1@80-81', // seed 1321: its front node gave up at 12, and it ran at 40
  '1+50@10-12 e200@20-21 r1@100-101 r@230-231',
  '1+50@10-12 p@20-21 r1@900-901',
  '1@10-12 e50@20-21 r@80-81',
  '1@10-12 e50@20-21? r1@80-81',
  '1@10-12 e50@20-21? r@80-81',
  '1+50@10-12 p@20-21? r@80-81',
  '1+50@10-12 2@20-21? r2@80-81',
  '1+50@10-12 2@20-21? r@80-81',
  '1+50@10-12 d@20-21 r@22-23 2@24-25 r2@90-91',
];
const wrong = [
  '1+50@10-12 r@30-31',
  '1+50@10-12 r1@80-81',
  '1@10-12 r@80-81',
  '1+50@10-12 p@20-21 r@80-81',
  '1+50@10-12 e200@20-21 r@80-81',
  '1+50@10-12 e200@20-21 r1@230-231',
  '1+50@10-12 p@20-21! r1@80-81',
  '1+50@10-12 2@20-21 r@80-81',
  '1+50@10-12 2@20-21 r1@30-31',
  '1+50@10-12! r1@30-31',
  'r1@0-1 1@2-3',
];

for (const picture of right)
  test(`what expires: ${picture}`, (t) => t.is(checkVolatileReads(played(picture).operations).verdict, 'accepted'));
for (const picture of wrong)
  test(`what expires, refused: ${picture}`, (t) => t.is(checkVolatileReads(played(picture).operations).verdict, 'refused'));

test('what expires under sloppy quorums: what is shown was written and may not have expired, and may be older', (t) => {
  const verdict = (picture: string): string => checkVolatileReadsAreOfWrites(played(picture).operations).verdict;
  for (const picture of [...right, '1@10-12 r@80-81', '1@10-12 2@20-21 r1@30-31']) t.is(verdict(picture), 'accepted', picture);
  for (const picture of ['1+50@10-12 r1@80-81', '1@10-12! r1@30-31', 'r1@0-1 1@2-3']) t.is(verdict(picture), 'refused', picture);
});

test('registers under sloppy quorums: any value that was written, by then and finally', (t) => {
  const history = new History<RegisterInput, RegisterOutput>();
  const write = (value: string): ReturnType<typeof history.invoke> => history.invoke('c', 'k', { kind: 'write', value });
  write('1').complete(null);
  write('2').complete(null);
  write('3').fail();
  history.invoke('c', 'k', { kind: 'read' }).complete('1');
  t.is(checkReadsAreOfWrites(history.operations).verdict, 'accepted');
  for (const value of ['1', '2']) t.is(checkFinalIsOfWrites(history.operations, value).verdict, 'accepted');
  for (const value of ['3', '4', null]) t.is(checkFinalIsOfWrites(history.operations, value).verdict, 'refused');
  history.invoke('c', 'k', { kind: 'read' }).complete('3');
  t.is(checkReadsAreOfWrites(history.operations).verdict, 'refused');
});

test('counters under sloppy quorums: nothing is seen that was not asked for by then', (t) => {
  const history = new History<CounterInput, number>();
  history.invoke('c', 'k', { kind: 'increment', by: 5 }).complete(5);
  history.invoke('c', 'k', { kind: 'increment', by: 2 }).fail();
  history.invoke('c', 'k', { kind: 'read' }).complete(0);
  t.is(checkCounterReadsAreOfIncrements(history.operations).verdict, 'accepted');
  history.invoke('c', 'k', { kind: 'read' }).complete(7);
  t.is(checkCounterReadsAreOfIncrements(history.operations).verdict, 'refused');
});
