/**
 * What moves the metrics of trouble on three real nodes: each row makes it happen and waits, by looking at /metrics, until every metric that it names has moved by what it says.
 * So a metric that is named here is moved here, or a test fails.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loseRows } from '../../failure/disk-rows.js';
import { RespConnection } from '../../failure/resp-connection.js';
import { Scrape } from '../../harness/metrics.js';
import type { ServerGroup } from '../../harness/processes.js';
import { until } from '../../harness/until.js';
import { RawClient } from '../raw-client.js';

/** What each metric, summed over its labels, rises by on one node at least; negative: falls. */
type Moves = Readonly<Record<string, number>>;

interface Trouble {
  readonly what: string;
  readonly moves: Moves;
  readonly happens: (cluster: ServerGroup, watch: Watch) => Promise<void>;
}

/** Looks at what a trouble is to move. */
class Watch {
  private readonly open: Set<string>;
  private readonly paused = new Set<number>();

  private constructor(
    private readonly cluster: ServerGroup,
    private readonly moves: Moves,
    private readonly before: readonly (Scrape | undefined)[],
  ) {
    this.open = new Set(Object.keys(moves));
  }

  static async begin(cluster: ServerGroup, moves: Moves): Promise<Watch> {
    return new Watch(cluster, moves, await scrapes(cluster));
  }

  /** The node stands still; it is not looked at, since it would not answer. */
  pause(node: number): void {
    this.paused.add(node);
    this.cluster.pause(node);
  }

  resume(node: number): void {
    this.cluster.resume(node);
    this.paused.delete(node);
  }

  /** Waits for metrics of `moves`, all of them unless told. */
  moved(...names: readonly string[]): Promise<void> {
    const wanted = names.length > 0 ? names : Object.keys(this.moves);
    const left = (): string[] => wanted.filter((name) => this.open.has(name));
    return until(
      async () => (await this.look(), left().length === 0),
      () => `moved: ${left().join(', ')}`,
    );
  }

  private async look(): Promise<void> {
    const now = await scrapes(this.cluster, this.paused);
    for (const name of this.open) {
      const by = this.moves[name] ?? NaN;
      const differences = now.flatMap((one, node) => (one === undefined ? [] : [one.value(name) - (this.before[node]?.value(name) ?? 0)]));
      if (differences.some((difference) => (by < 0 ? difference <= by : difference >= by))) this.open.delete(name);
    }
  }
}

/** Who is not there shows nothing. */
const scrapes = (cluster: ServerGroup, except: ReadonlySet<number> = new Set()): Promise<(Scrape | undefined)[]> =>
  Promise.all(cluster.ports.map((port, node) => (except.has(node) ? Promise.resolve(undefined) : Scrape.of(port).catch(() => undefined))));

export async function allReady(cluster: ServerGroup): Promise<void> {
  await until(async () => (await scrapes(cluster)).every((one) => one?.value('torc_ready') === 1), 'all are ready again');
}

/** Throws with what did not move. */
export async function runTrouble(cluster: ServerGroup, { moves, happens }: Trouble): Promise<void> {
  const watch = await Watch.begin(cluster, moves);
  await happens(cluster, watch);
  await watch.moved();
  await allReady(cluster);
}

/** Clients speak to the first. */
const [first, second, third] = [0, 1, 2];
const keys = (count: number): string[] => Array.from({ length: count }, (_, index) => `troubled:${index}`);
const directoryOf = (cluster: ServerGroup, node: number): string => join(cluster.dir, `node${node + 1}`);

/** In this order: the first are to find partitions that nobody coordinates yet. */
export const troubles: readonly Trouble[] = [
  {
    what: 'two of three stand still, and a node takes over, writes, compares and gossips in vain',
    moves: {
      torc_unsettled_batches: 1,
      torc_unacknowledged_bytes: 1,
      torc_peer_phi: 8,
      torc_partitions_short: 1,
      torc_ready: -1,
      torc_gossip_failures_total: 1,
      torc_take_overs_abandoned_total: 1,
      torc_repair_partitions_left: 1,
      torc_repair_failures_total: 1,
    },
    happens: async (cluster, watch) => {
      const client = await RespConnection.open(cluster.port);
      const coordinated = keys(20);
      await client.all(coordinated.map((key) => ['SET', key, 'value']));
      for (const node of [second, third]) watch.pause(node);
      await client.ask('TORC', 'REPAIR', 'FULL');
      const hanging = client.all(keys(200).map((key) => ['SET', key, 'value']));
      await watch.moved('torc_unsettled_batches', 'torc_unacknowledged_bytes', 'torc_repair_partitions_left');
      await watch.moved('torc_ready', 'torc_partitions_short', 'torc_peer_phi', 'torc_gossip_failures_total', 'torc_repair_failures_total');
      for (const node of [second, third]) watch.resume(node);
      await hanging;
      client.close();
    },
  },
  {
    what: 'a client does not take its replies',
    moves: { torc_clients_cut_total: 1 },
    happens: async (cluster, watch) => {
      const client = await RespConnection.open(cluster.port);
      await client.ask('SET', 'large', 'v'.repeat(1 << 20));
      await client.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 1mb 0 0');
      const lazy = await RawClient.connect(cluster.port);
      lazy.socket.pause();
      for (let asked = 0; asked < 64; asked++) lazy.write('GET large\r\n');
      await watch.moved('torc_clients_cut_total');
      await lazy.end();
      await client.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 1gb 256mb 60');
      client.close();
    },
  },
  {
    what: 'a disk lost records; a read meets one of them, and repair the other',
    moves: {
      torc_read_repairs_total: 1,
      torc_repair_partitions_compared_total: 1,
      torc_repair_partitions_differed_total: 1,
      torc_repair_records_total: 1,
    },
    happens: async (cluster, watch) => {
      const client = await RespConnection.open(cluster.port);
      const [read = '', repaired = ''] = keys(2);
      await client.all([read, repaired].map((key) => ['SET', key, 'value']));
      await cluster.server(third).stop();
      await loseRows(directoryOf(cluster, third), [read, repaired]);
      await cluster.restart(third);
      const other = await RespConnection.open(cluster.server(third).port);
      await other.ask('GET', read);
      await watch.moved('torc_read_repairs_total');
      await client.ask('TORC', 'REPAIR', 'FULL');
      await watch.moved('torc_repair_partitions_compared_total', 'torc_repair_partitions_differed_total', 'torc_repair_records_total');
      client.close();
      other.close();
    },
  },
  {
    what: 'a node was away, and nobody had room to keep what it missed',
    moves: { torc_hints_dropped_total: 1, torc_partitions_behind: 1 },
    happens: async (cluster, watch) => {
      watch.pause(third);
      // What is written before the others miss it waits for it in memory, and is not dropped.
      const missed = async (node: number): Promise<boolean> =>
        (await Scrape.of(cluster.server(node).port)).value('torc_peer_reachable', { peer: 'node3' }) === 0;
      await until(async () => (await missed(first)) && (await missed(second)), 'both miss the third');
      const client = await RespConnection.open(cluster.port);
      await client.all(keys(1000).map((key) => ['SET', key, 'unseen']));
      await watch.moved('torc_hints_dropped_total');
      watch.resume(third);
      await watch.moved('torc_partitions_behind');
      client.close();
    },
  },
  {
    what: 'a node lost its disk, and cannot ask all whom it has to',
    moves: { torc_partitions_doubtful: 1 },
    happens: async (cluster, watch) => {
      await cluster.kill9(third);
      await rm(directoryOf(cluster, third), { recursive: true });
      watch.pause(second);
      const back = cluster.restart(third);
      await watch.moved('torc_partitions_doubtful');
      watch.resume(second);
      await back;
    },
  },
];
