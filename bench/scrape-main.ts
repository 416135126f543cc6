/**
 * What it costs to be scraped: `node dist/bench/scrape-main.js [--nodes N] [--rounds N]`. SET and GET of redis-benchmark, 16 at a time, on N nodes (1 unless told) while nobody scrapes them, while each is
 * scraped once a second, and while each is scraped fifty times a second, in turn; the servers' CPU time for one operation, medians. Then what one scrape takes of nodes that have nothing else to do, and what of that on the serving thread.
 *
 * Once a second costs less than two runs differ by, so fifty times as much is measured too: a fiftieth of what that adds is what one scrape a second adds.
 */
import { parseArgs } from 'node:util';
import { httpPortOf, probe } from '../test/harness/http-probe.js';
import { startCluster, startNode } from '../test/harness/processes.js';
import { cpuMicros, firstThreadMicros } from './cpu-time.js';
import { runRedisBenchmark } from './redis-benchmark.js';

const most = 50;
/** In each order once: a run pays for some of what the one before it has left to be written behind. */
const orders = [
  [0, 1, most],
  [1, 0, most],
  [most, 1, 0],
  [0, most, 1],
  [most, 0, 1],
  [1, most, 0],
] as const;
const singleRounds = 5;
const singleMs = 6000;
const requests = { set: 300_000, get: 900_000 } as const;

/** Scrapes each port so often a second, or as often as it is answered, until `stop` is called; it tells how often a second each was. */
function scraping(ports: readonly number[], rate: number): { stop(): Promise<number> } {
  const beganMs = performance.now();
  let stopped = false;
  let scrapes = 0;
  const loops = ports.map(async (port) => {
    while (!stopped && rate > 0) {
      const begunMs = performance.now();
      const { status } = await probe(httpPortOf(port), '/metrics');
      if (status !== 200) throw new Error(`/metrics answers ${status}`);
      scrapes++;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, 1000 / rate - (performance.now() - begunMs))));
    }
  });
  const stop = async (): Promise<number> => {
    stopped = true;
    const seconds = (performance.now() - beganMs) / 1000;
    await Promise.all(loops);
    return scrapes / seconds / ports.length;
  };
  return { stop };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** Milliseconds of CPU that one scrape takes, of all threads and of the serving one: what is used while each node is scraped, less what is used in the same time without. */
async function ofOneScrape(ports: readonly number[], pids: readonly number[]): Promise<readonly [all: number, serving: number]> {
  const used = async (rate: number): Promise<readonly [all: number, serving: number, scrapes: number]> => {
    const scraper = scraping(ports, rate);
    const before = [await cpuMicros(pids), await firstThreadMicros(pids)];
    await new Promise((resolve) => setTimeout(resolve, singleMs));
    const scrapes = (await scraper.stop()) * ports.length * (singleMs / 1000);
    const after = [await cpuMicros(pids), await firstThreadMicros(pids)];
    const [all = NaN, serving = NaN] = after.map((micros, i) => (micros ?? NaN) - (before[i] ?? NaN));
    return [all, serving, scrapes];
  };
  const each: (readonly [number, number])[] = [];
  for (let round = 0; round < singleRounds; round++) {
    const idle = await used(0);
    const scraped = await used(most);
    each.push([(scraped[0] - idle[0]) / scraped[2] / 1000, (scraped[1] - idle[1]) / scraped[2] / 1000]);
  }
  return [median(each.map(([all]) => all)), median(each.map(([, serving]) => serving))];
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { nodes: text, rounds: text } });
  const [nodes, rounds] = [Number(values.nodes ?? 1), Number(values.rounds ?? 12)];
  const group = nodes === 1 ? await startNode() : await startCluster({ nodes });
  try {
    await runRedisBenchmark(group.port, false, { test: 'set', hot: false, pipeline: 16 }, requests.set);
    const figures = new Map<string, number[]>();
    const rates: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const test of ['set', 'get'] as const) {
        for (const rate of orders[round % orders.length] ?? []) {
          const scraper = scraping(group.ports, rate);
          const before = await cpuMicros(group.pids);
          await runRedisBenchmark(group.port, false, { test, hot: false, pipeline: 16 }, requests[test]);
          const after = await cpuMicros(group.pids);
          const scraped = await scraper.stop();
          if (rate === most) rates.push(scraped);
          if (before === undefined || after === undefined) throw new Error('the CPU time of other processes cannot be read here');
          const name = `${test}/${rate}`;
          figures.set(name, [...(figures.get(name) ?? []), (after - before) / requests[test]]);
        }
      }
    }
    for (const test of ['set', 'get'] as const) {
      const of = (rate: number): number => median(figures.get(`${test}/${rate}`) ?? []);
      const share = (100 * (of(most) / of(0) - 1)) / median(rates);
      const figure = `${of(0).toFixed(2)} us unscraped, ${of(1).toFixed(2)} with one a second, ${of(most).toFixed(2)} with ${median(rates).toFixed(0)}`;
      process.stdout.write(`${test.toUpperCase()} P=16, ${nodes} node(s): ${figure}; one a second adds ${share.toFixed(2)} %\n`);
      for (const rate of [0, 1, most]) {
        const each = (figures.get(`${test}/${rate}`) ?? []).toSorted((x, y) => x - y).map((value) => value.toFixed(1));
        process.stdout.write(`  ${rate} a second: ${each.join(' ')}\n`);
      }
    }
    const [all, serving] = await ofOneScrape(group.ports, group.pids);
    process.stdout.write(`one scrape of an idle node: ${all.toFixed(2)} ms of CPU, ${serving.toFixed(2)} of them on the serving thread\n`);
  } finally {
    await group.stop();
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`scrape-main: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
