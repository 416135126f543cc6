/** SORT on a simulated cluster of real nodes whose memory holds a few keys: what patterns name is loaded, at whichever node it is asked. */
import test from 'ava';
import { ask, keysOfDifferentPartitions, started } from './scenario.js';

test('SORT BY and GET find keys that no argument names and that are on disk alone; those of another slot are refused', async (t) => {
  const cluster = await started({ partitions: 4, cacheBytesMax: 2000 });
  const elements = Array.from({ length: 30 }, (_, i) => String(i));
  t.is(await ask(cluster, 'a', ['SADD', '{k}set', ...elements]), '30');
  for (const element of elements) {
    t.is(await ask(cluster, 'b', ['SET', `{k}w_${element}`, String((Number(element) * 7) % 30)]), 'OK');
    t.is(await ask(cluster, 'c', ['HSET', `{k}o_${element}`, 'name', `n${element}`]), '1');
  }
  await cluster.scheduler.runFor(130_000);
  // Reads of what is not there make turns, at whose ends memory is made free.
  for (let i = 0; i < 200; i++) await ask(cluster, cluster.nodes[i % 3] ?? 'a', ['GET', `none${i}`]);
  const isCold = cluster.nodes.some((name) => [0, 1, 2, 3].some((number) => !cluster.runningNow(name).store.partition(number).resident));
  t.true(isCold, 'not everything is in memory');
  const expected = elements.toSorted((x, y) => ((Number(x) * 7) % 30) - ((Number(y) * 7) % 30)).slice(0, 5);
  for (const name of cluster.nodes) {
    for (const command of ['SORT', 'SORT_RO']) {
      const reply = await ask(cluster, name, [command, '{k}set', 'BY', '{k}w_*', 'LIMIT', '0', '5', 'GET', '#', 'GET', '{k}o_*->name']);
      const texts = (JSON.parse(String(reply)) as { readonly data: readonly number[] }[]).map(({ data }) => Buffer.from(data).toString());
      t.deepEqual(
        texts,
        expected.flatMap((element) => [element, `n${element}`]),
        `${name} ${command}`,
      );
    }
  }
  const [one = '', other = ''] = keysOfDifferentPartitions(cluster);
  t.regex(String(await ask(cluster, 'a', ['SORT', one, 'BY', `{${other}}w_*`])), /^ERR BY option of SORT denied/);
  t.regex(String(await ask(cluster, 'a', ['SORT', one, 'GET', '*'])), /^ERR GET option of SORT denied/);
});
