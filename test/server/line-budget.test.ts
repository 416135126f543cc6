/** Lines of a kind that anybody can cause: a few at once, then one a second that says how many were left out. */
import test from 'ava';
import { eventLogOf } from '../../server/event-log.js';
import { LineBudget } from '../../server/line-budget.js';
import type { Log } from '../../server/log.js';

test('a burst, then one a second, then a burst again', (t) => {
  let nowMs = 500;
  const budget = new LineBudget(3, () => nowMs);
  const taken = (count: number): (number | undefined)[] => Array.from({ length: count }, () => budget.take());
  t.deepEqual(taken(5), [0, 0, 0, undefined, undefined]);
  nowMs += 999;
  t.deepEqual(taken(1), [undefined]);
  nowMs += 1;
  t.deepEqual(taken(2), [3, undefined]);
  nowMs += 60_000;
  t.deepEqual(taken(4), [1, 0, 0, undefined]);
});

test('strangers whose streams are closed fill no log; other events are all told', (t) => {
  let nowMs = 0;
  const lines: { level: string; fields: object }[] = [];
  const log = {
    warning: (fields: object) => lines.push({ level: 'warning', fields }),
    notice: (fields: object) => lines.push({ level: 'notice', fields }),
  } as unknown as Log;
  const tell = eventLogOf(log, () => nowMs);
  for (let i = 0; i < 10_000; i++) tell('warn', 'closed', { event: 'stream-closed', reason: 'rubbish' });
  t.is(lines.length, 20);
  for (let i = 0; i < 100; i++) tell('info', 'open', { event: 'link-opened', peer: 'b' });
  t.is(lines.length, 120);
  nowMs = 1000;
  tell('warn', 'closed', { event: 'stream-closed', reason: 'rubbish' });
  t.deepEqual(lines.at(-1), { level: 'warning', fields: { event: 'stream-closed', reason: 'rubbish', unsaid: 9980 } });
});
