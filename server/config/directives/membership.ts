/** Which node this is, of which cluster, and how many replicas its keys have. */
import { row } from '../directive.js';
import { clientPort, hostLabel } from '../own-address.js';
import { integer, label, oneOf, onlyYet, peerAddresses, slotDivision, text, yesOrNo } from '../value-types.js';

export const membershipDirectives = {
  directory: row({ name: 'dir', type: text('needed'), default: './data', whileRunning: false, doc: 'Where this node keeps its data.' }),
  nodeId: row({
    name: 'node-id',
    type: label,
    default: (from) => `${hostLabel()}-${clientPort(from)}`,
    defaultIs: 'host name and port',
    whileRunning: false,
    doc: "This node's name: its place on the ring comes from it. No two nodes share one, and a data directory keeps its own.",
  }),
  clusterName: row({
    name: 'cluster-name',
    type: label,
    default: 'torc',
    whileRunning: false,
    doc: 'Nodes talk only to nodes of the same name.',
  }),
  initialNodes: row({
    name: 'initial-nodes',
    type: integer(1, 1000),
    default: '1',
    whileRunning: false,
    doc: 'How many nodes must have met before a new cluster forms.',
  }),
  zone: row({
    name: 'zone',
    type: label,
    default: 'default',
    whileRunning: false,
    doc: 'The zone this node stands in. Replicas spread over zones.',
  }),
  host: row({
    name: 'host',
    type: label,
    default: hostLabel,
    defaultIs: 'host name',
    whileRunning: false,
    doc: 'The machine this node stands on. Within a zone replicas spread over machines.',
  }),
  seeds: row({
    name: 'seeds',
    type: peerAddresses,
    default: '',
    whileRunning: false,
    doc: 'host:peer-port of nodes to find the cluster by, separated by spaces or commas. A DNS name may stand for several nodes, and is resolved anew each time.',
  }),
  autoJoin: row({
    name: 'auto-join',
    type: onlyYet(yesOrNo, 'yes', 'nodes cannot join a cluster that has formed'),
    default: 'yes',
    whileRunning: false,
    doc: 'Join a cluster that has formed already without being asked.',
  }),
  partitions: row({
    name: 'partitions',
    type: slotDivision,
    default: '1024',
    whileRunning: false,
    doc: 'Parts that the 16384 slots are placed in. Fixed when the cluster forms.',
  }),
  replicas: row({ name: 'replicas', type: integer(1, 9), default: '3', whileRunning: false, doc: 'N: home replicas of a key.' }),
  writeQuorum: row({
    name: 'write-quorum',
    type: integer(1, 9),
    default: (from) => String(Math.min(2, from.replicas)),
    defaultIs: '2, or replicas where that is less',
    whileRunning: true,
    doc: 'W: replicas that have a write before it is acknowledged.',
  }),
  readQuorum: row({
    name: 'read-quorum',
    type: integer(1, 9),
    default: (from) => String(Math.min(2, from.replicas)),
    defaultIs: '2, or replicas where that is less',
    whileRunning: true,
    doc: 'R: replicas whose versions a read compares.',
  }),
  sloppyQuorum: row({
    name: 'sloppy-quorum',
    type: yesOrNo,
    default: 'yes',
    whileRunning: true,
    doc: 'Let a coordinator run without the promises of a majority of home replicas, if it reaches W; other nodes stand in for home replicas that are away.',
  }),
  readFrom: row({
    name: 'read-from',
    type: oneOf('any', 'coordinator'),
    default: 'any',
    whileRunning: true,
    doc: "Which home replica answers a read that comes to this node: any, or the partition's coordinator, linearizable under strict quorums.",
  }),
  crossSlot: row({
    name: 'cross-slot',
    type: onlyYet(yesOrNo, 'yes', 'no command is atomic over several partitions'),
    default: 'yes',
    whileRunning: true,
    doc: 'Run atomic commands over several slots. MGET, MSET and the like are split by partition either way.',
  }),
} as const;
