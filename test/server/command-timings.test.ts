/** Counts, histograms, the slow log and the latency monitor, on a clock that the test moves. */
import test from 'ava';
import fc from '../harness/properties.js';
import { CommandCount } from '../../server/command-count.js';
import { CommandTimings } from '../../server/command-timings.js';
import { LatencyMonitor } from '../../server/latency-monitor.js';
import { RateMeter } from '../../server/rate-meter.js';
import { SlowLog } from '../../server/slow-log.js';
import { sparkline } from '../../server/sparkline.js';

test('a percentile is within an eighth of the true one, and the distribution sums up to all calls', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 50 }),
      fc.integer({ min: 1, max: 100 }),
      (times, percent) => {
        const count = new CommandCount('x', true);
        for (const microseconds of times) count.took(microseconds, 1);
        const sorted = times.toSorted((x, y) => x - y);
        const exact = sorted[Math.ceil((sorted.length * percent) / 100) - 1] as number;
        const found = count.percentile(percent);
        t.true(found >= exact && found <= exact * 1.125, `${found} for ${exact}`);
        const distribution = count.distribution();
        t.is(distribution.at(-1)?.[1], times.length);
        for (const [i, [limit]] of distribution.entries()) t.true(i === 0 || limit > (distribution[i - 1] as readonly [number, number])[0]);
      },
    ),
  );
  t.is(new CommandCount('x', true).percentile(50), 0);
});

test('what arrived together is charged together, from arrival to the end of the turn', (t) => {
  let nowMs = 0;
  let slowerThan = 10_000;
  const slowLog = new SlowLog({ nowMs: () => 1_700_000_000_500, slowerThanMicroseconds: () => slowerThan, entriesMax: () => 2 });
  const latency = new LatencyMonitor({ nowMs: () => 1_700_000_000_500 + nowMs, thresholdMs: () => 50 });
  const due: { flush(): void }[] = [];
  const timings = new CommandTimings({ slowLog, latency, monotonicMs: () => nowMs, flushAtEnd: (target) => due.push(target) });
  const endTurn = (): void => due.splice(0).forEach((target) => target.flush());
  const [get, set] = [new CommandCount('get', true), new CommandCount('set', false)];
  const asker = { address: '1.2.3.4:5', name: 'me' };
  const chunk = { arrivedMs: 0 };
  const args = [Buffer.from('GET'), Buffer.from('k')];
  for (let i = 0; i < 3; i++) timings.answered(get, false, chunk, args, asker);
  timings.answered(set, false, chunk, [], asker);
  t.is(due.length, 1);
  nowMs = 9;
  endTurn();
  t.deepEqual([get.answeredCalls, get.microseconds, set.answeredCalls, set.microseconds], [3, 27_000, 1, 9000]);
  t.is(slowLog.length, 0);

  for (let i = 0; i < 3; i++) timings.answered(get, false, chunk, args, asker);
  timings.answered(set, false, chunk, [], asker);
  nowMs = 60;
  endTurn();
  t.deepEqual(
    slowLog.newest(10).map(({ id, unixSeconds, microseconds, args: words }) => [id, unixSeconds, microseconds, words.join(' ')]),
    [
      [1, 1_700_000_000, 60_000, 'set ... (arguments sent to another node)'],
      [0, 1_700_000_000, 60_000, 'GET k'],
    ],
  );
  t.deepEqual(latency.events(), [
    { name: 'fast-command', samples: [{ unixSeconds: 1_700_000_000, ms: 60 }], maxMs: 60 },
    { name: 'command', samples: [{ unixSeconds: 1_700_000_000, ms: 60 }], maxMs: 60 },
  ]);
  t.is(latency.reset(['command', 'nosuch']), 1);

  slowerThan = 0;
  for (let i = 0; i < 3; i++) timings.answered(get, false, chunk, args, asker);
  endTurn();
  t.deepEqual(
    slowLog.newest(10).map(({ id }) => id),
    [4, 3],
    'each by itself, and no more than slowlog-max-len',
  );
  slowerThan = -1;
  timings.answered(get, false, chunk, args, asker);
  endTurn();
  t.is(slowLog.newest(1)[0]?.id, 4);

  const before = [get.family.ok, get.family.error].map(({ counts }) => counts.reduce((sum, count) => sum + count));
  for (const failed of [false, true, true]) timings.answered(get, failed, chunk, args, asker);
  endTurn();
  const after = [get.family.ok, get.family.error].map(({ counts }) => counts.reduce((sum, count) => sum + count));
  t.deepEqual([...before, ...after], [10, 0, 11, 2]);
});

test('rates are means of the last samples', (t) => {
  let nowMs = 0;
  let count = 0;
  const meter = new RateMeter(
    () => [count],
    () => nowMs,
  );
  t.deepEqual(meter.perSecond(), []);
  for (let i = 0; i < 40; i++) {
    meter.sample();
    nowMs += 100;
    count += i < 20 ? 0 : 50;
  }
  t.deepEqual(meter.perSecond(), [500]);
  meter.reset();
  t.deepEqual(meter.perSecond(), []);
});

test('a sparkline has its rows, a space, and labels downwards', (t) => {
  const points = [
    { value: 1, label: '9s' },
    { value: 5, label: '12s' },
    { value: 9, label: '1s' },
  ];
  t.is(sparkline(points, 2), '  #\n_|| \n   \n911\ns2s\n s \n'.replace('_|| \n', '_||\n').replace('  #\n', ' _#\n'));
});
