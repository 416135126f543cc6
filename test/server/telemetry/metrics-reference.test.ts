/** docs/metrics.md is what the tables say. */
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { metricsReference } from '../../../server/telemetry/metrics-reference.js';

test('docs/metrics.md is not stale', async (t) => {
  const file = new URL('../../../../docs/metrics.md', import.meta.url);
  t.true((await readFile(file, 'utf8')) === metricsReference(), 'run `npm run docs`');
});
