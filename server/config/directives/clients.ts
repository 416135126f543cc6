/** What clients may take of a node, and how it takes leave of them. */
import { maxInt, mebibyte, row } from '../directive.js';
import { integer, memorySize, outputBufferLimits } from '../value-types.js';

export const clientDirectives = {
  clientsMax: row({
    name: 'maxclients',
    type: integer(1, maxInt),
    default: '10000',
    whileRunning: true,
    doc: 'Client connections at a time.',
  }),
  idleTimeoutSeconds: row({
    name: 'timeout',
    type: integer(0, maxInt, 'seconds'),
    default: '0',
    unit: 's',
    whileRunning: true,
    doc: 'A client that is idle this long is disconnected; 0 is never.',
  }),
  tcpKeepaliveSeconds: row({
    name: 'tcp-keepalive',
    type: integer(0, maxInt, 'seconds'),
    default: '300',
    unit: 's',
    whileRunning: true,
    doc: 'Time between keepalive probes on new client connections; 0 is none.',
  }),
  tcpBacklog: row({
    name: 'tcp-backlog',
    type: integer(1, maxInt),
    default: '511',
    whileRunning: false,
    doc: 'Connections that may wait to be accepted.',
  }),
  drainWaitSeconds: row({
    name: 'drain-wait',
    type: integer(0, 3600, 'seconds'),
    default: '0',
    unit: 's',
    whileRunning: true,
    doc: 'How long a node that stops goes on serving its clients once it says that it is not ready, for load balancers to see it.',
  }),
  shutdownTimeoutSeconds: row({
    name: 'shutdown-timeout',
    type: integer(1, 3600, 'seconds'),
    default: '10',
    unit: 's',
    whileRunning: true,
    doc: 'After drain-wait: how long a node that stops takes to answer what it was asked and to close log and storage.',
  }),
  bulkBytesMax: row({
    name: 'proto-max-bulk-len',
    type: memorySize(mebibyte),
    default: '512mb',
    unit: 'bytes',
    whileRunning: true,
    doc: 'The longest argument of a command.',
  }),
  hyperLogLogSparseBytesMax: row({
    name: 'hll-sparse-max-bytes',
    type: memorySize(0),
    default: '3000',
    unit: 'bytes',
    whileRunning: true,
    doc: 'A HyperLogLog that would become longer than this takes 12 KB from then on, and is written to faster.',
  }),
  queryBufferBytesMax: row({
    name: 'client-query-buffer-limit',
    type: memorySize(mebibyte),
    default: '1gb',
    unit: 'bytes',
    whileRunning: true,
    doc: 'A client whose unfinished command grows larger is disconnected.',
  }),
  outputBufferLimits: row({
    name: 'client-output-buffer-limit',
    type: outputBufferLimits,
    // Redis does not bound normal clients, so one that asks and never reads takes the whole memory. The hard limit is twice the longest value,
    // so that no single reply of a string can reach it; the soft one leaves a slow but living reader a minute.
    default: 'normal 1gb 256mb 60 replica 256mb 64mb 60 pubsub 32mb 8mb 60',
    whileRunning: true,
    doc: 'A client that leaves more than the hard limit of its class untaken is disconnected, and one that leaves more than the soft limit for so many seconds. Every client is normal yet.',
  }),
} as const;
