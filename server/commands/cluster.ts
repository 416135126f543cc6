/**
 * CLUSTER: where smart clients learn who coordinates which slots. Redis Cluster's words fit so: a node is the `master` of the slots
 * that it coordinates now, whoever else holds them; the other home replicas of a range are its replicas. Any node answers any key, so a
 * stale map costs a client a hop and nothing else.
 */
import { slotCount, slotOf } from '../../protocol/slot.js';
import type { ClusterView, MemberView, SlotRange } from '../../cluster/view.js';
import { ErrorReply, MapReply, VerbatimReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandFlag, LocalRow } from '../command-table.js';
import type { LocalContext } from '../local-context.js';
import { parseInteger } from './arguments.js';
import { notAnInteger } from './errors.js';
import { container, docsOf, noKeys } from './row.js';

const docs = docsOf('cluster');
const invalidSlot = new ErrorReply('ERR Invalid slot');
const invalidSlotOrCount = new ErrorReply('ERR Invalid slot or number of keys');

const coordinatorOf = (range: SlotRange): MemberView | undefined => range.replicas[range.coordinator] ?? range.replicas[0];

/** Coordinator first, then the other home replicas in preference order. */
function holdersOf(range: SlotRange): readonly MemberView[] {
  const coordinator = coordinatorOf(range);
  return coordinator ? [coordinator, ...range.replicas.filter((member) => member !== coordinator)] : [];
}

/** Replies are made once per change of the ranges, which are hundreds, since clients ask again and again. */
const slotsReplies = new WeakMap<readonly SlotRange[], Reply>();

function slots({ cluster }: LocalContext): Reply {
  const ranges = cluster.slotRanges();
  const known = slotsReplies.get(ranges);
  if (known !== undefined) return known;
  const nodeReplies = new Map<MemberView, Reply>();
  const nodeOf = (member: MemberView): Reply => {
    const reply = nodeReplies.get(member) ?? [member.host, member.clientPort, member.id, new MapReply([])];
    nodeReplies.set(member, reply);
    return reply;
  };
  const reply = ranges.map((range) => [range.firstSlot, range.lastSlot, ...holdersOf(range).map(nodeOf)]);
  slotsReplies.set(ranges, reply);
  return reply;
}

/** A shard is the ranges with the same coordinator and the same other holders, in the same order. */
function shards({ cluster }: LocalContext): Reply {
  const byHolders = new Map<string, { readonly holders: readonly MemberView[]; readonly slots: number[] }>();
  for (const range of cluster.slotRanges()) {
    const holders = holdersOf(range);
    const key = holders.map((member) => member.id).join(' ');
    const shard = byHolders.get(key) ?? { holders, slots: [] };
    shard.slots.push(range.firstSlot, range.lastSlot);
    byHolders.set(key, shard);
  }
  return [...byHolders.values()].map(
    (shard) =>
      new MapReply([
        ['slots', shard.slots],
        ['nodes', shard.holders.map((member, index) => shardNode(member, index === 0 ? 'master' : 'replica'))],
      ]),
  );
}

const shardNode = (member: MemberView, role: string): Reply =>
  new MapReply([
    ['id', member.id],
    ['port', member.clientPort],
    ['ip', member.host],
    ['endpoint', member.host],
    ['role', role],
    ['replication-offset', 0],
    ['health', member.reachable ? 'online' : 'fail'],
  ]);

/** `<id> <host:port@peer-port> <flags> <master> <ping-sent> <pong-received> <epoch> <link-state> <slot range> ...` */
function nodes({ cluster }: LocalContext): Reply {
  const slotsOf = coordinatedSlots(cluster);
  const lines = cluster.members().map((member) => {
    const flags = `${member.self ? 'myself,' : ''}master${member.reachable ? '' : ',fail?'}`;
    const state = member.reachable ? 'connected' : 'disconnected';
    const head = `${member.id} ${member.host}:${member.clientPort}@${member.peerPort} ${flags} - 0 0 ${cluster.configurationNumber} ${state}`;
    return `${[head, ...(slotsOf.get(member.id) ?? [])].join(' ')}\n`;
  });
  return new VerbatimReply(lines.join(''));
}

const printSpan = ([first, last]: readonly [number, number]): string => (first === last ? `${first}` : `${first}-${last}`);

/** By member id, as CLUSTER NODES prints them: neighbouring ranges of one coordinator joined. */
function coordinatedSlots(cluster: ClusterView): ReadonlyMap<string, readonly string[]> {
  const spans = new Map<string, [first: number, last: number][]>();
  for (const range of cluster.slotRanges()) {
    const id = coordinatorOf(range)?.id;
    if (id === undefined) continue;
    const own = spans.get(id) ?? [];
    spans.set(id, own);
    const latest = own.at(-1);
    if (latest && latest[1] + 1 === range.firstSlot) latest[1] = range.lastSlot;
    else own.push([range.firstSlot, range.lastSlot]);
  }
  return new Map([...spans].map(([id, own]) => [id, own.map(printSpan)]));
}

/** State is ok when every slot has a reachable coordinator. */
function info({ cluster }: LocalContext): Reply {
  let assigned = 0;
  let reachable = 0;
  const coordinators = new Set<string>();
  for (const range of cluster.slotRanges()) {
    const count = range.lastSlot - range.firstSlot + 1;
    const coordinator = coordinatorOf(range);
    if (!coordinator) continue;
    assigned += count;
    if (coordinator.reachable) reachable += count;
    coordinators.add(coordinator.id);
  }
  const figures: readonly (readonly [string, string | number])[] = [
    ['cluster_state', cluster.ready && reachable === slotCount ? 'ok' : 'fail'],
    ['cluster_slots_assigned', assigned],
    ['cluster_slots_ok', reachable],
    ['cluster_slots_pfail', assigned - reachable],
    ['cluster_slots_fail', 0],
    ['cluster_known_nodes', cluster.members().length],
    ['cluster_size', coordinators.size],
    ['cluster_current_epoch', cluster.configurationNumber],
    ['cluster_my_epoch', cluster.configurationNumber],
  ];
  return new VerbatimReply(figures.map(([name, value]) => `${name}:${value}\r\n`).join(''));
}

const countKeysInSlotName = Buffer.from('partition|countkeysinslot');
const keysInSlotName = Buffer.from('partition|keysinslot');

function countKeysInSlot(context: LocalContext, args: readonly Buffer[]): Reply | Promise<Reply> {
  const slot = parseInteger(args[2] as Buffer);
  if (slot === undefined) return notAnInteger;
  if (slot < 0 || slot >= slotCount) return invalidSlot;
  return context.atPartition(context.cluster.partitionOfSlot(Number(slot)), [countKeysInSlotName, args[2] as Buffer]);
}

function getKeysInSlot(context: LocalContext, args: readonly Buffer[]): Reply | Promise<Reply> {
  const slot = parseInteger(args[2] as Buffer);
  const limit = parseInteger(args[3] as Buffer);
  if (slot === undefined || limit === undefined) return notAnInteger;
  if (slot < 0 || slot >= slotCount || limit < 0 || limit > Number.MAX_SAFE_INTEGER) return invalidSlotOrCount;
  return context.atPartition(context.cluster.partitionOfSlot(Number(slot)), [keysInSlotName, args[2] as Buffer, args[3] as Buffer]);
}

const flags: readonly CommandFlag[] = ['stale'];

function row(name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow {
  return { scope: 'local', name: `cluster|${name}`, arity, flags, keys: noKeys, categories: ['slow'], docs: rowDocs, run };
}

const help = [
  'COUNTKEYSINSLOT <slot>',
  '    Return the number of keys in <slot>.',
  'GETKEYSINSLOT <slot> <count>',
  '    Return key names of a slot, wherever in the cluster it is stored.',
  'INFO',
  '    Return information about the cluster.',
  'KEYSLOT <key>',
  '    Return the hash slot for <key>.',
  'MYID',
  '    Return the node id.',
  'NODES',
  '    Return cluster configuration seen by node. Output format:',
  '    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...',
  'SLOTS',
  '    Return information about slots range mappings. Each range is made of:',
  '    start, end, coordinator and other home replicas IP addresses, ports and ids',
  'SHARDS',
  '    Return information about slot range mappings and the nodes associated with them.',
];

const perNode = 'O(N) where N is the total number of Cluster nodes';

export const clusterRows: readonly LocalRow[] = [
  container(
    { name: 'cluster', categories: ['slow'], docs: docs('3.0.0', 'Depends on subcommand.', 'A container for Redis Cluster commands.') },
    help,
    [
      row('slots', 2, docs('3.0.0', perNode, 'Returns the mapping of cluster slots to nodes.'), slots),
      row('shards', 2, docs('7.0.0', perNode, 'Returns the mapping of cluster slots to shards.'), shards),
      row('nodes', 2, docs('3.0.0', perNode, 'Returns the cluster configuration for a node.'), nodes),
      row('info', 2, docs('3.0.0', 'O(1)', 'Returns information about the state of a node.'), info),
      row('myid', 2, docs('3.0.0', 'O(1)', 'Returns the ID of a node.'), ({ cluster }) => cluster.self.id),
      row(
        'keyslot',
        3,
        docs('3.0.0', 'O(N) where N is the number of bytes in the key', 'Returns the hash slot for a key.', 'key'),
        (_context, args) => slotOf(args[2] as Buffer),
      ),
      row(
        'countkeysinslot',
        3,
        docs('3.0.0', 'O(N) where N is the number of keys in the slot', 'Returns the number of keys in a hash slot.', 'slot'),
        countKeysInSlot,
      ),
      row(
        'getkeysinslot',
        4,
        docs('3.0.0', 'O(N) where N is the number of requested keys', 'Returns the key names in a hash slot.', 'slot count'),
        getKeysInSlot,
      ),
    ],
  ),
];
