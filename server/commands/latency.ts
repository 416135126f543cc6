/** LATENCY: what clients of this node waited for longest, and how long each command takes. */
import { ErrorReply, MapReply, VerbatimReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandFlag, LocalRow } from '../command-table.js';
import type { LatencyEvent } from '../latency-monitor.js';
import type { LocalContext } from '../local-context.js';
import { sparkline } from '../sparkline.js';
import { cString } from './errors.js';
import { container, docsOf, noKeys } from './row.js';

const docs = docsOf('server');
const graphColumns = 80;
const graphRows = 4;

const off =
  "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't in a deep space mission I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n";
const calm =
  'Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest bit. I honestly think you ought to sit down calmly, take a stress pill, and think things over.\n';

const history = ({ latency }: LocalContext, args: readonly Buffer[]): Reply =>
  latency.event((args[2] as Buffer).toString())?.samples.map(({ unixSeconds, ms }) => [unixSeconds, ms]) ?? [];

const latest = ({ latency }: LocalContext): Reply =>
  latency.events().map(({ name, samples, maxMs }) => {
    const last = samples.at(-1);
    return [name, last?.unixSeconds ?? 0, last?.ms ?? 0, maxMs];
  });

const reset = ({ latency }: LocalContext, args: readonly Buffer[]): Reply => latency.reset(args.slice(2).map(String));

function graph({ latency, nowMs }: LocalContext, args: readonly Buffer[]): Reply {
  const name = (args[2] as Buffer).toString();
  const event = latency.event(name);
  if (event === undefined) return new ErrorReply(`ERR No samples available for event '${cString(args[2] as Buffer)}'`, 'latin1');
  const shown = event.samples.slice(-graphColumns);
  const values = shown.map(({ ms }) => ms);
  const points = shown.map(({ unixSeconds, ms }) => ({ value: ms, label: age(Math.max(0, Math.floor(nowMs / 1000) - unixSeconds)) }));
  return new VerbatimReply(
    `${name} - high ${Math.max(...values)} ms, low ${Math.min(...values)} ms (all time high ${event.maxMs} ms)\n` +
      `${'-'.repeat(graphColumns)}\n${sparkline(points, graphRows)}`,
  );
}

function age(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

function doctor({ latency, slowLog }: LocalContext): Reply {
  if (!latency.isOn) return new VerbatimReply(off);
  const events = latency.events();
  if (events.length === 0) return new VerbatimReply(calm);
  const advice = [
    '- What is measured is what clients waited, other nodes included. Look whether all are well: TORC STATUS.',
    slowLog.slowerThanMicroseconds < 0
      ? '- The slow log is off. Turn it on to see which commands: CONFIG SET slowlog-log-slower-than 10000.'
      : '- Look which commands it were: SLOWLOG GET.',
    '- Commands on whole partitions, large values and a slow disk under "durability always" are the usual causes.',
  ];
  return new VerbatimReply(
    `Dave, I have observed latency spikes in this instance.\n\n${events.map(diagnosis).join('\n')}\n\nI have a few advices for you:\n\n${advice.join('\n')}\n`,
  );
}

function diagnosis({ name, samples, maxMs }: LatencyEvent, index: number): string {
  const mean = samples.reduce((sum, { ms }) => sum + ms, 0) / samples.length;
  return `${index + 1}. ${name}: ${samples.length} latency spikes (average ${mean.toFixed(0)}ms). Worst all time event ${maxMs}ms.`;
}

/** LATENCY HISTOGRAM [command ...]; a container's name stands for its subcommands. */
function histogram({ statistics }: LocalContext, args: readonly Buffer[]): Reply {
  const wanted = args.slice(2).map((name) => name.toString().toLowerCase());
  const isWanted = (name: string): boolean => wanted.length === 0 || wanted.some((each) => name === each || name.startsWith(`${each}|`));
  return new MapReply(
    statistics
      .commandCounts()
      .filter(({ name, answeredCalls }) => answeredCalls > 0 && isWanted(name))
      .map((count) => [
        count.name,
        new MapReply([
          ['calls', count.answeredCalls],
          ['histogram_usec', new MapReply(count.distribution())],
        ]),
      ]),
  );
}

const flags: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale'];

const row = (name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow => ({
  scope: 'local',
  name: `latency|${name}`,
  arity,
  flags,
  keys: noKeys,
  categories: ['admin', 'slow', 'dangerous'],
  docs: rowDocs,
  run,
});

const help = [
  'DOCTOR',
  '    Return a human readable latency analysis report.',
  'GRAPH <event>',
  '    Return an ASCII latency graph for the <event> class.',
  'HISTORY <event>',
  '    Return time-latency samples for the <event> class.',
  'LATEST',
  '    Return the latest latency samples for all events.',
  'RESET [<event> ...]',
  '    Reset latency data of one or more <event> classes.',
  '    (default: reset all data for all event classes)',
  'HISTOGRAM [COMMAND ...]',
  '    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.',
  '    If no commands are specified then all histograms are replied.',
];

export const latencyRows: readonly LocalRow[] = [
  container(
    {
      name: 'latency',
      helpSince: '2.8.13',
      categories: ['slow'],
      docs: docs('2.8.13', 'Depends on subcommand.', 'A container for latency diagnostics commands.'),
    },
    help,
    [
      row('doctor', 2, docs('2.8.13', 'O(1)', 'Returns a human-readable latency analysis report.'), doctor),
      row('graph', 3, docs('2.8.13', 'O(1)', 'Returns a latency graph for an event.', 'event'), graph),
      row(
        'histogram',
        -2,
        docs(
          '7.0.0',
          'O(N) where N is the number of commands with latency information being retrieved.',
          'Returns the cumulative distribution of latencies of a subset or all commands.',
          '[command [command ...]]',
        ),
        histogram,
      ),
      row('history', 3, docs('2.8.13', 'O(1)', 'Returns timestamp-latency samples for an event.', 'event'), history),
      row('latest', 2, docs('2.8.13', 'O(1)', 'Returns the latest latency samples for all events.'), latest),
      row('reset', -2, docs('2.8.13', 'O(1)', 'Resets the latency data for one or more events.', '[event [event ...]]'), reset),
    ],
  ),
];
