/** Commands of many independent keys (MGET, MSET, DEL, EXISTS): one command of the same shape per partition, and their replies joined. */
import { ErrorReply, ok, type Reply } from '../protocol/resp/reply.js';
import type { KeyedRow, KeyPositions } from './command-table.js';

export interface Group {
  readonly partition: number;
  /** The command for this partition, name first. */
  readonly args: readonly Buffer[];
  /** For each of its keys, where it stood among all keys. */
  readonly places: readonly number[];
}

/** The parts of a command, each of one partition. */
export function splitUp(
  { keys, split }: Pick<KeyedRow, 'keys' | 'split'>,
  args: readonly Buffer[],
  partitionOf: (key: Buffer) => number,
): Group[] {
  if (typeof split !== 'object' || 'row' in split) return splitByPartition(keys, args, partitionOf);
  return split.commands(args).map(({ key, args: own }, place) => ({ partition: partitionOf(key), args: own, places: [place] }));
}

/** Groups in the order in which their partitions first appear. */
export function splitByPartition({ first, step }: KeyPositions, args: readonly Buffer[], partitionOf: (key: Buffer) => number): Group[] {
  const groups = new Map<number, { partition: number; args: Buffer[]; places: number[] }>();
  for (let i = first, place = 0; i < args.length; i += step, place++) {
    const key = args[i];
    if (key === undefined) break;
    const partition = partitionOf(key);
    let group = groups.get(partition);
    if (group === undefined) groups.set(partition, (group = { partition, args: args.slice(0, first), places: [] }));
    group.args.push(...args.slice(i, i + step));
    group.places.push(place);
  }
  return [...groups.values()];
}

/** The first error among the groups' replies answers for all of them: what the others did stays done, as in any cluster. */
export function joinSplit(how: NonNullable<KeyedRow['split']>, groups: readonly Group[], replies: readonly Reply[]): Reply {
  const error = replies.find((reply) => reply instanceof ErrorReply);
  if (error !== undefined) return error;
  if (typeof how !== 'string') return how.join(replies);
  if (how === 'first-error-or-ok') return ok;
  if (how === 'sum') return replies.reduce<number>((sum, reply) => sum + Number(reply), 0);
  const joined: Reply[] = [];
  groups.forEach(({ places }, i) => {
    const reply = replies[i];
    places.forEach((place, j) => (joined[place] = Array.isArray(reply) ? (reply[j] as Reply) : null));
  });
  return joined;
}
