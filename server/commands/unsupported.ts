/**
 * Commands that Redis has and Torc has not: refused by name, so that nobody takes them for a typing error, and with what to do instead where
 * something else does the job (docs/migrating-from-redis.md). What Redis does not know either is an unknown command.
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { redisCommands } from './redis-commands.js';

/** Never to come, and why. The text follows `ERR NAME is not supported: `. */
const reasons: Readonly<Record<string, string>> = {
  move: 'Torc has one database, number 0; use a prefix in the key',
  swapdb: 'Torc has one database, number 0; use a prefix in the key',
  module: 'Torc loads no modules',
  psync: 'Torc nodes replicate among themselves; join a node to the cluster instead',
  sync: 'Torc nodes replicate among themselves; join a node to the cluster instead',
  replconf: 'Torc nodes replicate among themselves; join a node to the cluster instead',
  replicaof: 'every node takes writes, and replicas follow from the ring; see the directive replicas',
  slaveof: 'every node takes writes, and replicas follow from the ring; see the directive replicas',
  failover: 'another home replica coordinates as soon as one is unreachable; stop the node instead',
  migrate: 'partitions are placed by the ring; use DUMP and RESTORE between clusters',
  'restore-asking': 'partitions are placed by the ring; use RESTORE',
  save: 'every write is in the commit log; see the directive durability',
  bgsave: 'every write is in the commit log; see the directive durability',
  lastsave: 'there are no snapshots, every write is in the commit log',
  bgrewriteaof: 'the commit log is cut by itself',
  waitaof: "a write waits for the disk under 'durability always', which is a setting of the node",
  pfselftest: 'it would stand still for seconds; what it checks is checked before Torc is released',
  'cluster|addslots': 'the ring places slots',
  'cluster|addslotsrange': 'the ring places slots',
  'cluster|bumpepoch': 'configurations are numbered and agreed on',
  'cluster|count-failure-reports': 'each node judges by itself whether it reaches another',
  'cluster|delslots': 'the ring places slots',
  'cluster|delslotsrange': 'the ring places slots',
  'cluster|failover': 'another home replica coordinates as soon as one is unreachable; stop the node instead',
  'cluster|flushslots': 'the ring places slots',
  'cluster|forget': 'a member leaves by a plan',
  'cluster|meet': 'nodes find each other by the directive seeds',
  'cluster|replicate': 'every node takes writes, and replicas follow from the ring',
  'cluster|reset': 'empty the directory of a stopped node instead',
  'cluster|saveconfig': 'the configuration is on disk as soon as it is agreed on',
  'cluster|set-config-epoch': 'configurations are numbered and agreed on',
  'cluster|setslot': 'the ring places slots',
};

const redisNames: ReadonlySet<string> = new Set(redisCommands.map(({ name }) => name));

/** The error of a command of Redis, by its lower-case name; undefined when Redis has none of this name. */
export function unsupported(name: string): ErrorReply | undefined {
  if (!redisNames.has(name)) return undefined;
  const shown = name.replace('|', ' ').toUpperCase();
  const reason = reasons[name] ?? reasons[name.split('|', 1)[0] ?? ''];
  return new ErrorReply(
    reason === undefined ? `ERR unsupported command '${name}': Torc does not have it yet` : `ERR ${shown} is not supported: ${reason}`,
  );
}

/** `args` with a name first that no row has. */
export function unsupportedCommand(args: readonly Buffer[]): ErrorReply | undefined {
  const name = (args[0] as Buffer).toString('latin1').toLowerCase();
  return name.includes('|') ? undefined : unsupported(name);
}

/** `args` with the container's name first and a subcommand that no row has. */
export function unsupportedSubcommand(container: string, args: readonly Buffer[]): ErrorReply | undefined {
  return unsupported(`${container}|${(args[1] as Buffer).toString('latin1').toLowerCase()}`);
}
