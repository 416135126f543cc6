/** Named scenarios on a simulated cluster of real nodes: HyperLogLogs that both sides of a partition add to, and counts over several partitions. */
import test from 'ava';
import { estimate, histogramOf } from '../../server/commands/hyperloglog-estimate.js';
import { HyperLogLogWriter } from '../../server/commands/hyperloglog-writer.js';
import { registerOf } from '../../server/commands/murmur-hash.js';
import { raiseRegisters, registerCount } from '../../storage/hyperloglog.js';
import { convergenceFault } from './convergence.js';
import { ask, entryAt, keysOfDifferentPartitions, started, well } from './scenario.js';

const range = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `visitor:${from + i}`);

/** What one PFADD of all of them alone would count. */
function countOf(elements: readonly string[]): string {
  const writer = new HyperLogLogWriter(undefined, 3000);
  for (const element of elements) {
    const register = registerOf(Buffer.from(element));
    writer.raise(register % registerCount, Math.floor(register / registerCount));
  }
  const registers = new Uint8Array(registerCount);
  raiseRegisters(registers, writer.take());
  return String(estimate(histogramOf(registers)));
}

async function until(reply: RegExp, attempt: () => Promise<string | null>): Promise<void> {
  let last: string | null = null;
  for (let i = 0; i < 10; i++) if (reply.test(String((last = await attempt())))) return;
  throw new Error(`always ${last}`);
}

for (const [size, sides] of [
  ['sparse', [range(0, 60), range(40, 100)]],
  ['dense and sparse', [range(0, 4000), range(3990, 4050)]],
  ['dense', [range(0, 4000), range(3000, 9000)]],
] as const) {
  test(`two sides of a partition add different visitors (${size}): once healed every node counts the union`, async (t) => {
    const cluster = await started({ sloppyQuorum: true, writeQuorum: 1, readQuorum: 1 });
    t.is(await ask(cluster, 'a', ['PFADD', 'k', 'before']), '1');
    await cluster.scheduler.runFor(1000);
    for (const other of ['b', 'c']) {
      cluster.network.block('a', other);
      cluster.network.block(other, 'a');
    }
    await cluster.scheduler.runFor(15_000);
    const [left, right] = sides;
    await until(/^1$/, () => ask(cluster, 'a', ['PFADD', 'k', ...left], true));
    await until(/^1$/, () => ask(cluster, 'b', ['PFADD', 'k', ...right], true));
    t.is(await ask(cluster, 'a', ['PFCOUNT', 'k'], true), countOf(['before', ...left]));
    t.is(await ask(cluster, 'b', ['PFCOUNT', 'k'], true), countOf(['before', ...right]));
    for (const other of ['b', 'c']) {
      cluster.network.unblock('a', other);
      cluster.network.unblock(other, 'a');
    }
    await well(cluster);
    t.is(await convergenceFault(cluster), undefined);
    const union = countOf(['before', ...left, ...right]);
    const shown = cluster.nodes.map((name) => entryAt(cluster, name, 'k'));
    t.true(
      shown.every(({ record }) => record?.versions.length === 2),
      'both values are still there',
    );
    t.true(
      shown.every(({ bytes }) => bytes.equals(shown[0]?.bytes ?? Buffer.alloc(0))),
      'and come to the same bytes everywhere',
    );
    for (const name of cluster.nodes) t.is(await ask(cluster, name, ['PFCOUNT', 'k']), union);
    // What is written next contains what it saw, and covers both.
    await until(/^1$/, () => ask(cluster, 'c', ['PFADD', 'k', 'after']));
    await well(cluster);
    for (const name of cluster.nodes) {
      t.is(await ask(cluster, name, ['PFCOUNT', 'k']), countOf(['before', ...left, ...right, 'after']));
      t.is(entryAt(cluster, name, 'k').record?.versions.length, 1);
    }
  });
}

test('PFCOUNT of keys in several partitions counts their union at every node, and says what is no HyperLogLog; PFMERGE merges them', async (t) => {
  const cluster = await started();
  const [one = '', other = ''] = keysOfDifferentPartitions(cluster);
  t.is(await ask(cluster, 'a', ['PFADD', one, ...range(0, 300)]), '1');
  t.is(await ask(cluster, 'b', ['PFADD', other, ...range(200, 5000)]), '1');
  for (const name of cluster.nodes) {
    t.is(await ask(cluster, name, ['PFCOUNT', one, other, 'none', one]), countOf(range(0, 5000)));
  }
  t.is(await ask(cluster, 'b', ['PFMERGE', one, other]), 'OK');
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['PFCOUNT', one]), countOf(range(0, 5000)));
  t.is(await ask(cluster, 'c', ['SET', other, 'text']), 'OK');
  t.is(await ask(cluster, 'c', ['PFCOUNT', one, other]), 'WRONGTYPE Key is not a valid HyperLogLog string value.');
});
