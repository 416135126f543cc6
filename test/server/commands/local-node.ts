/** A node as its local commands see it: real values in plain objects, with one client and a cluster of three members. */
import { EventEmitter } from 'node:events';
import type { ClusterView, MemberView, SlotRange } from '../../../cluster/view.js';
import { ErrorReply } from '../../../protocol/resp/reply.js';
import type { Reply } from '../../../protocol/resp/reply.js';
import { CommandCount } from '../../../server/command-count.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import { allRows } from '../../../server/commands/all.js';
import { LatencyMonitor } from '../../../server/latency-monitor.js';
import { AclLog } from '../../../server/acl/acl-log.js';
import type { User } from '../../../server/acl/user.js';
import { withPassword } from '../../../server/acl/user-files.js';
import { SlowLog } from '../../../server/slow-log.js';
import { memoryUsers } from '../acl/memory-users.js';
import type { ClientView, LocalContext } from '../../../server/local-context.js';

const lookup = new CommandLookup(allRows);

export function member(number: number, reachable = true): MemberView {
  const id = String(number).repeat(40);
  return {
    id,
    name: `node-${number}`,
    number,
    host: '127.0.0.1',
    clientPort: 6378 + number,
    peerPort: 16378 + number,
    zone: `zone-${number}`,
    hostLabel: 'here',
    self: number === 1,
    reachable,
  };
}

/** Three members; partition p's preference list begins with member p mod 3 + 1. Those in `unreachable` are. */
export function clusterOfThree(unreachable: readonly number[] = [], partitions = 1024): ClusterView {
  const members = [1, 2, 3].map((number) => member(number, !unreachable.includes(number)));
  const preferenceList = (partition: number) => [0, 1, 2].map((i) => members[(partition + i) % 3] as MemberView);
  const slotsPerPartition = 16384 / partitions;
  const ranges = Array.from({ length: partitions }, (_, partition): SlotRange => {
    const replicas = preferenceList(partition);
    const firstSlot = partition * slotsPerPartition;
    return {
      firstSlot,
      lastSlot: firstSlot + slotsPerPartition - 1,
      replicas,
      coordinator: replicas.findIndex(({ reachable }) => reachable),
    };
  });
  return {
    clusterName: 'test',
    ready: true,
    configurationNumber: 7,
    partitions,
    replicas: 3,
    writeQuorum: 2,
    readQuorum: 2,
    self: members[0] as MemberView,
    members: () => members,
    health: () =>
      members.map(({ name, host, clientPort, zone, self, reachable }) => ({
        name,
        address: `${host}:${clientPort}`,
        zone,
        self,
        member: true,
        status: reachable ? 'up' : 'suspected',
        phi: self ? 0 : 0.25,
        incarnation: 1,
        heartbeat: 2,
        load: 0,
        silentMs: self ? 0 : 120,
      })),
    slotRanges: () => ranges,
    partitionOfSlot: (slot) => Math.floor((slot * partitions) / 16384),
    preferenceList,
  };
}

export interface LocalNode {
  readonly context: LocalContext;
  readonly client: ClientView;
  /** Emits `closed` when the client is to be closed, `drain` when the node is to stop. */
  readonly events: EventEmitter;
  /** What was sent to partitions. */
  readonly sent: { readonly partition: number; readonly args: readonly string[] }[];
  /** lookup -> arity -> run. */
  readonly run: (args: readonly Buffer[]) => Promise<Reply>;
}

export function localContext(cluster: ClusterView = clusterOfThree()): LocalNode {
  const events = new EventEmitter();
  const sent: { readonly partition: number; readonly args: readonly string[] }[] = [];
  const users = memoryUsers();
  let user: User = users.default;
  const client: ClientView = {
    id: 5,
    address: '127.0.0.1:50000',
    localAddress: '127.0.0.1:6379',
    name: '',
    libraryName: '',
    libraryVersion: '',
    resp: 2,
    createdAtMs: 1_700_000_000_000,
    lastCommandAtMs: 1_700_000_008_000,
    lastCommand: 'client|list',
    queryBufferBytes: 26,
    outputBufferBytes: 0,
    commandsProcessed: 3,
    bytesIn: 1,
    bytesOut: 2,
    writeQuorum: undefined,
    readQuorum: undefined,
    readonly: false,
    authenticated: true,
    get user() {
      return user;
    },
    noEvict: false,
    noTouch: false,
    monitoring: false,
    isClosing: false,
    unblock: undefined,
    authenticate: (given) => {
      user = given;
      events.emit('authenticated', given.name);
    },
    forgetUser: () => {
      user = users.default;
      events.emit('forgot', user.isOpen);
    },
    setReplies: (mode) => events.emit('replies', mode),
    setMonitoring: (monitoring) => events.emit('monitoring', monitoring),
    partitionsWritten: () => [3],
    forgetPartitionsWritten: () => events.emit('forgotten'),
    closeAfterReply: () => events.emit('closed'),
    kill: () => events.emit('killed'),
  };
  const counted = new CommandCount('get', true);
  counted.calls = 2;
  counted.failed = 1;
  counted.took(100, 2);
  const clock = { nowMs: () => 1_700_000_010_250 };
  const directives = new Map([
    ['maxclients', '10000'],
    ['save', ''],
    ['appendonly', 'yes'],
    ['requirepass', ''],
    ['latency-tracking-info-percentiles', '50 99 99.9'],
    ['enable-debug-command', 'yes'],
  ]);
  const context: LocalContext = {
    nowMs: 1_700_000_010_250,
    unixMicroseconds: 1_700_000_010_250_000,
    client,
    clients: () => [client],
    cluster,
    configuration: {
      matching: (patterns) => [...directives].filter(([name]) => patterns.includes(name)),
      set: (pairs) => {
        const wrong = pairs.find(([name]) => !directives.has(name))?.[0];
        if (wrong !== undefined)
          return `CONFIG SET failed (possibly related to argument '${wrong}') - Unknown option or number of arguments`;
        for (const [name, value] of pairs) directives.set(name, value);
        for (const [name, value] of pairs) if (name === 'requirepass') void users.change([withPassword(users.default, value)]);
        return undefined;
      },
      rewrite: () => Promise.resolve('The server is running without a config file'),
    },
    statistics: {
      startedAtMs: 1_699_999_910_250,
      connectionsReceived: 11,
      commandsProcessed: 12,
      bytesIn: 13,
      bytesOut: 14,
      rejectedConnections: 0,
      outputLimitDisconnections: 0,
      expiredKeys: 17,
      peakMemoryBytes: 0,
      commandCounts: () => [counted],
      perSecond: () => ({ commands: 3, bytesIn: 1024, bytesOut: 2048 }),
      reset: () => counted.reset(),
      errorsByCode: () => new Map([['ERR', 4]]),
      section: (name) => (name === 'torc' ? [['hints_bytes', 0]] : []),
    },
    slowLog: new SlowLog({ ...clock, slowerThanMicroseconds: () => 10_000, entriesMax: () => 128 }),
    latency: new LatencyMonitor({ ...clock, thresholdMs: () => 0 }),
    users,
    aclLog: new AclLog({ ...clock, entriesMax: () => 128 }),
    aclFile: undefined,
    node: {
      pauseClients: (what, ms) => events.emit('paused', what, ms),
      unpauseClients: () => events.emit('unpaused'),
      shutDown: (how) => events.emit('shutdown', how),
      replicasHolding: (_partitions, wanted, ended) => {
        if (wanted <= 1) ended(1);
        return { giveUp: () => ended(1) };
      },
      after: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return { cancel: () => clearTimeout(timer) };
      },
      keyCounts: () => ({ keys: 7, expiring: 2 }),
    },
    torcVersion: '0.1.0',
    drain: () => events.emit('drain'),
    ask: () => Promise.resolve(null),
    atPartition: (partition, args) => {
      sent.push({ partition, args: args.map(String) });
      return Promise.resolve(1);
    },
    repair: ({ anew, partition }) => (anew ? (partition === 7 ? 2 : 'under way') : 'no peer'),
    versionsOf: () =>
      Promise.resolve([
        { member: 'node-1', context: '{1.1: 5}', values: 1, equal: true },
        { member: 'node-2', context: '', values: 0, equal: false, error: 'unreachable' },
      ]),
    conflicts: (count) => ({
      counts: { string: 1, counter: 0, hyperloglog: 0, field: 0, type: 0 },
      open: 1,
      conflicts: [
        {
          key: Buffer.from('k'),
          field: undefined,
          partition: 3,
          type: 'string' as const,
          rule: 'the latest',
          metAtMs: 7,
          coveredAtMs: undefined,
          shown: Buffer.from('b'),
          versions: [
            { node: 'node-1', counter: 5, term: 1, value: Buffer.from('a'), shown: false },
            { node: 'node-2', counter: 6, term: 1, value: Buffer.from('b'), shown: true },
          ],
        },
      ].slice(0, count),
    }),
  };
  const run = async (args: readonly Buffer[]): Promise<Reply> => {
    const row = lookup.resolve(args);
    if (row instanceof ErrorReply) return row;
    if (row.scope !== 'local') throw new Error(`${row.name} is not local`);
    return row.run(context, args);
  };
  return { context, client, events, sent, run };
}
