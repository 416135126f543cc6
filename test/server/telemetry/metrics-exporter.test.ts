import test from 'ava';
import { MetricsExporter } from '../../../server/telemetry/metrics-exporter.js';
import { Scrape } from '../../harness/metrics.js';

const resource = { nodeId: 'n', clusterName: 'c', version: '1', startedAtMs: 0 };

test('counters, gauges and histograms as Prometheus reads them, whatever labels hold', async (t) => {
  const exporter = new MetricsExporter(resource);
  t.teardown(() => exporter.close());
  const words = { unit: 's', help: 'Of "what"\nit is.' };
  const text = await exporter.render([
    { ...words, name: 'a_total', kind: 'counter', points: [{ labels: { peer: 'x"\\y' }, value: 2 ** 53 }] },
    { ...words, name: 'b', kind: 'gauge', points: [{ labels: {}, value: -0.5 }] },
    {
      ...words,
      name: 'c_seconds',
      kind: 'histogram',
      points: [{ labels: { of: 'z' }, value: { boundsSeconds: [0.001, 1], counts: [1, 2, 4], sum: 9 } }],
    },
    { ...words, name: 'd', kind: 'gauge', points: [] },
  ]);
  const scrape = new Scrape(text);
  t.is(scrape.value('a_total', { peer: String.raw`x\"\\y` }), 2 ** 53);
  t.is(scrape.value('b'), -0.5);
  t.deepEqual(
    scrape.all('c_seconds_bucket').map(({ labels, value }) => [labels.get('le'), value]),
    [
      ['0.001', 1],
      ['1', 3],
      ['+Inf', 7],
    ],
  );
  t.deepEqual([scrape.value('c_seconds_count'), scrape.value('c_seconds_sum')], [7, 9]);
  t.is(scrape.help.get('d'), String.raw`Of "what"\nit is.`);
  t.is(scrape.all('target_info')[0]?.labels.get('service_instance_id'), 'n');
});

test('a thread that fails is said to have failed, and the next scrape begins another', async (t) => {
  const exporter = new MetricsExporter(resource, new URL('./ending-thread.js', import.meta.url));
  t.teardown(() => exporter.close());
  for (let i = 0; i < 2; i++) {
    const asked = [exporter.render([]), exporter.render([])];
    for (const one of asked) await t.throwsAsync(one, { message: 'the thread that renders metrics failed: no memory' });
  }
  await exporter.close();
  await t.throwsAsync(exporter.render([]), { message: 'the node stops' });
});
