/** MEMORY: what this node's process holds, and about how much a key takes of it. */
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import { DoubleReply, MapReply, VerbatimReply, ok } from '../../protocol/resp/reply.js';
import type { ErrorReply, Reply } from '../../protocol/resp/reply.js';
import type { CommandRow, KeyedRow, LocalRow, Run } from '../command-table.js';
import type { LocalContext } from '../local-context.js';
import { memoryOf } from '../process-memory.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { container, docsOf, noKeys } from './row.js';

const docs = docsOf('server');

/** About what a key takes in memory beside the bytes of its name and its value: its row and its place in the index. */
const entryBytes = 88;

/** MEMORY USAGE key [SAMPLES count]. Nothing is sampled: of a collection every entry is counted. */
function parseUsage(args: readonly Buffer[]): Run | ErrorReply {
  const key = args[2] as Buffer;
  for (let i = 3; i < args.length; i += 2) {
    const value = args[i + 1];
    if (value === undefined || !isToken(args[i] as Buffer, 'SAMPLES')) return syntaxError;
    const samples = parseInteger(value);
    if (samples === undefined) return notAnInteger;
    if (samples < 0) return syntaxError;
  }
  return (execution) => {
    const type = execution.typeOf(key);
    if (type === undefined) return null;
    if (type === 'string') return entryBytes + key.length + (execution.string(key)?.bytes.length ?? 0);
    return execution.bytesOf(key);
  };
}

/** Redis' names where there is something of the kind. */
function stats({ statistics, clients, node }: LocalContext): Reply {
  const { used, rss, heapTotal } = memoryOf(process.memoryUsage());
  statistics.peakMemoryBytes = Math.max(statistics.peakMemoryBytes, used);
  const { keys } = node.keyCounts();
  const ofClients = clients().reduce((sum, client) => sum + client.queryBufferBytes + client.outputBufferBytes, 0);
  const dataset = Number(new Map(statistics.section('torc')).get('memoryBytes') ?? 0);
  return new MapReply([
    ['peak.allocated', statistics.peakMemoryBytes],
    ['total.allocated', used],
    ['startup.allocated', 0],
    ['replication.backlog', 0],
    ['clients.slaves', 0],
    ['clients.normal', ofClients],
    ['cluster.links', 0],
    ['aof.buffer', 0],
    ['lua.caches', 0],
    ['functions.caches', 0],
    ['overhead.total', used - dataset],
    ['keys.count', keys],
    ['keys.bytes-per-key', keys === 0 ? 0 : Math.floor(dataset / keys)],
    ['dataset.bytes', dataset],
    ['dataset.percentage', new DoubleReply((100 * dataset) / used)],
    ['peak.percentage', new DoubleReply((100 * used) / statistics.peakMemoryBytes)],
    ['allocator.allocated', used],
    ['allocator.active', heapTotal],
    ['allocator.resident', rss],
    ['fragmentation', new DoubleReply(rss / used)],
    ['fragmentation.bytes', rss - used],
  ]);
}

function doctor(): Reply {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  const percent = Math.floor((100 * used) / limit);
  return new VerbatimReply(
    percent < 75
      ? `Hi Sam, I can't find any memory issue in your instance: ${percent}% of V8's heap limit is in use. I can only account for what occurs on this base.\n`
      : `Sam, I detected a few issues in this Torc node's memory:\n\n * ${percent}% of V8's heap limit is in use. Lower cache-size, or start node with a larger --max-old-space-size.\n\nI'm here to keep you safe, Sam. I want to help you.\n`,
  );
}

const mallocStats = (): Reply =>
  new VerbatimReply(
    ['space size used available physical']
      .concat(
        getHeapSpaceStatistics().map(
          (space) =>
            `${space.space_name} ${space.space_size} ${space.space_used_size} ${space.space_available_size} ${space.physical_space_size}`,
        ),
      )
      .map((line) => `${line}\n`)
      .join(''),
  );

const row = (name: string, rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow => ({
  scope: 'local',
  name: `memory|${name}`,
  arity: 2,
  flags: [],
  keys: noKeys,
  categories: ['slow'],
  docs: rowDocs,
  run,
});

const usage: KeyedRow = {
  scope: 'keys',
  name: 'memory|usage',
  arity: -3,
  flags: ['readonly'],
  keys: { first: 2, last: 2, step: 1 },
  categories: ['read', 'slow'],
  docs: docs('4.0.0', 'O(N) where N is the number of samples.', 'Estimates the memory usage of a key.', 'key [SAMPLES count]'),
  parse: parseUsage,
};

const help = [
  'DOCTOR',
  '    Return memory problems reports.',
  'MALLOC-STATS',
  '    Return internal statistics report from the memory allocator.',
  'PURGE',
  '    Attempt to purge dirty pages for reclamation by the allocator.',
  'STATS',
  '    Return information about the memory usage of the server.',
  'USAGE <key> [SAMPLES <count>]',
  '    Return memory in bytes used by <key> and its value. Nested values are',
  '    sampled up to <count> times (default: 5, 0 means sample all).',
];

export const memoryRows: readonly CommandRow[] = [
  container(
    {
      name: 'memory',
      helpSince: '4.0.0',
      categories: ['slow'],
      docs: docs('4.0.0', 'Depends on subcommand.', 'A container for memory diagnostics commands.'),
    },
    help,
    [
      row('doctor', docs('4.0.0', 'O(1)', 'Outputs a memory problems report.'), doctor),
      row('malloc-stats', docs('4.0.0', 'O(1)', "Returns the sizes of V8's heap spaces."), mallocStats),
      // As Redis without jemalloc: there is nothing to purge by hand. V8 gives memory back by itself.
      row('purge', docs('4.0.0', 'O(1)', 'Accepted for tools; V8 gives memory back by itself.'), () => ok),
      row('stats', docs('4.0.0', 'O(N) where N is the number of partitions and of clients', 'Returns details about memory usage.'), stats),
      usage,
    ],
  ),
];
