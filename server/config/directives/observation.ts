/** What a node tells of itself: slow commands, traces, its log. */
import { maxInt, row } from '../directive.js';
import { decimal, httpUrl, integer, oneOf, percentiles, text } from '../value-types.js';

export const observationDirectives = {
  slowlogMicroseconds: row({
    name: 'slowlog-log-slower-than',
    type: integer(-1, maxInt, 'microseconds'),
    default: '10000',
    unit: 'us',
    whileRunning: true,
    doc: 'Commands that took this long from arrival to reply go to the slow log; 0 is all, -1 none.',
  }),
  slowlogEntriesMax: row({
    name: 'slowlog-max-len',
    type: integer(0, 1_000_000),
    default: '128',
    whileRunning: true,
    doc: 'Entries that the slow log keeps.',
  }),
  latencyThresholdMs: row({
    name: 'latency-monitor-threshold',
    type: integer(0, maxInt, 'milliseconds'),
    default: '0',
    unit: 'ms',
    whileRunning: true,
    doc: 'What takes this long is kept for LATENCY; 0 is nothing.',
  }),
  latencyPercentiles: row({
    name: 'latency-tracking-info-percentiles',
    type: percentiles,
    default: '50 99 99.9',
    whileRunning: true,
    doc: "The percentiles in INFO's section latencystats.",
  }),
  tracingSampleRate: row({
    name: 'tracing-sample-rate',
    type: decimal(0, 1),
    default: '0',
    whileRunning: true,
    doc: "The share of the commands of this node's clients whose way is traced, from 0 to 1; 0 is none. What another node has sampled is traced here too.",
  }),
  tracingEndpoint: row({
    name: 'tracing-endpoint',
    type: httpUrl,
    default: 'http://127.0.0.1:4318',
    whileRunning: false,
    doc: 'Where traces go: a receiver of OTLP over HTTP, to whose path /v1/traces they are posted.',
  }),
  debugCommand: row({
    name: 'enable-debug-command',
    type: oneOf('no', 'yes', 'local'),
    default: 'no',
    whileRunning: false,
    doc: 'Who may say DEBUG: nobody, everybody, or clients on this machine.',
  }),
  logLevel: row({
    name: 'loglevel',
    type: oneOf('debug', 'verbose', 'notice', 'warning', 'nothing'),
    default: 'notice',
    whileRunning: true,
    doc: 'How much is logged.',
  }),
  logFile: row({
    name: 'logfile',
    type: text('may be empty'),
    default: '',
    whileRunning: false,
    doc: 'Where the log goes; empty is standard error.',
  }),
} as const;
