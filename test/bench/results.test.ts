/** Medians, ratios round by round, and the verdict beside each floor, in the text and in the chart. */
import test from 'ava';
import { ratioChart } from '../../bench/ratio-chart.js';
import { reportText } from '../../bench/report-text.js';
import { median, type Sample, summarize } from '../../bench/results.js';
import { allTests, filledBy } from '../../bench/redis-benchmark.js';
import { loadsOf, setups } from '../../bench/setups.js';

function sample(setup: string, round: number, requestsPerSecond: number, more: Partial<Sample> = {}): Sample {
  const load = { test: 'set', hot: false, pipeline: 1 } as const;
  return { ...load, setup, round, requestsPerSecond, requests: 1000, p50Ms: 1, p99Ms: 2, cpuMicrosPerRequest: 10 * round, ...more };
}

// The machine was half as fast in round 2; Torc made 0.5, 0.5 and 0.3 of what Redis made in the same round.
const samples = [
  ...[100, 50, 100].map((rate, index) => sample('redis-aof', index + 1, rate)),
  ...[50, 25, 30].map((rate, index) => sample('torc1', index + 1, rate)),
];

test('a median is the middle, or the mean of the middle two', (t) => {
  t.is(median([]), undefined);
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1, 2, 3]), 2.5);
});

test('ratios are taken within a round', (t) => {
  const [redis, torc] = summarize(samples, setups);
  t.is(redis?.ratio, undefined);
  t.is(torc?.ratio, 0.5);
  t.is(torc?.requestsPerSecond, 30);
  t.is(torc?.cpuMicrosPerRequest, 20);
  t.is(torc?.floor, 0.4);
});

test('a ratio at its floor is ok, under it below; hot keys have no floor', (t) => {
  const torcAt = (ratio: number, more: Partial<Sample> = {}): string =>
    reportText(summarize([sample('redis-aof', 1, 100, more), sample('torc1', 1, 100 * ratio, more)], setups));
  t.regex(torcAt(0.4), /torc1 .* 0\.40 {2}redis-aof {3}0\.40 {2}ok/);
  t.regex(torcAt(0.39), /torc1 .* 0\.39 {2}redis-aof {3}0\.40 {2}below/);
  t.notRegex(torcAt(0.39, { hot: true }), /ok|below/);
  t.regex(torcAt(0.39, { cpuMicrosPerRequest: undefined }), /n\/a/);
});

test('what writes to a collection has to keep up with SET of the same run and pipeline', (t) => {
  const runs = (ratioOfPush: number): Sample[] => [
    sample('redis', 1, 100),
    sample('torc3', 1, 30),
    sample('redis', 1, 100, { pipeline: 16 }),
    sample('torc3', 1, 90, { pipeline: 16 }),
    sample('redis', 1, 200, { test: 'lpush' }),
    sample('torc3', 1, 200 * ratioOfPush, { test: 'lpush' }),
  ];
  const verdictOf = (ratioOfPush: number): string | undefined =>
    reportText(summarize(runs(ratioOfPush), setups))
      .split('\n')
      .find((line) => /^lpush .*torc3/.test(line));
  t.regex(verdictOf(0.3) ?? '', /0\.30 {2}redis {3}0\.30 {2}ok/);
  t.regex(verdictOf(0.29) ?? '', /0\.29 {2}redis {3}0\.30 {2}below/);
});

test('every test of redis-benchmark can be asked for, and what is popped was pushed before', (t) => {
  const torc3 = setups.find(({ name }) => name === 'torc3');
  if (torc3 === undefined) throw new Error('no such setup');
  t.deepEqual([...new Set(loadsOf(torc3, allTests).map(({ test: name }) => name))], [...allTests]);
  for (const name of allTests) t.is(/pop/.test(name), filledBy[name] !== undefined, name);
});

test('the chart has a bar and a floor for each ratio, and no broken number', (t) => {
  const svg = ratioChart(summarize(samples, setups), 'a < b');
  t.regex(svg, /^<svg [\s\S]*<\/svg>\n$/);
  t.regex(svg, /0\.50 \(floor 0\.40\)/);
  t.true(svg.includes('a &lt; b'));
  t.notRegex(svg, /NaN|undefined/);
});
