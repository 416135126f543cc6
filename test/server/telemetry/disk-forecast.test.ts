import test from 'ava';
import { sampled, secondsUntilFull, type DiskSample } from '../../../server/telemetry/disk-forecast.js';

const line = (bytesPerSecond: number, count: number): readonly DiskSample[] =>
  Array.from({ length: count }, (_, i) => ({ atMs: i * 30_000, usedBytes: 1e9 + i * 30 * bytesPerSecond })).reduce(sampled, []);

test('a disk that grows by a megabyte a second is full when that has filled it', (t) => {
  t.is(Math.round(secondsUntilFull(line(1e6, 10), 3600e6) ?? 0), 3600);
});

test('nothing is said too early, or when nothing grows', (t) => {
  t.is(secondsUntilFull(line(1e6, 4), 1e9), undefined);
  t.is(secondsUntilFull(line(0, 10), 1e9), undefined);
  t.is(secondsUntilFull(line(-5, 10), 1e9), undefined);
  t.is(secondsUntilFull([], 1e9), undefined);
});

test('samples are half a minute apart and not older than an hour', (t) => {
  const samples = Array.from({ length: 1000 }, (_, i) => ({ atMs: i * 10_000, usedBytes: 0 })).reduce(sampled, [] as readonly DiskSample[]);
  t.is(samples.length, 121);
  t.is(samples.at(-1)?.atMs, 9_990_000);
});
