/** What named scenarios are made of: a cluster of real nodes on simulated seams, one command at a time, and a look at what replicas hold. */
import { partitionOfSlot } from '../../cluster/ring.js';
import { slotOf } from '../../protocol/slot.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { KeyEntry } from '../../storage/key-entry.js';
import { textOf } from './simulated-clients.js';
import { TorcCluster, type TorcSettings } from './torc-cluster.js';

export async function started(settings: TorcSettings = {}, seed = 1): Promise<TorcCluster> {
  const cluster = new TorcCluster(seed, { network: { spikeChance: 0 }, ...settings });
  await cluster.startAll();
  await cluster.scheduler.runFor(3000);
  return cluster;
}

/** Gives a command to a node; what it answers comes as simulated time goes on. `here`: it runs it whoever else could. */
export function begin(
  cluster: TorcCluster,
  name: string,
  words: readonly string[],
  here = false,
): { readonly reply: () => Reply | undefined } {
  let reply: Reply | undefined;
  const connection = cluster.connect(name);
  cluster.scheduler.schedule(name, 0, words.join(' '), () => connection.run(words, (answer) => (reply = answer), here));
  return { reply: () => reply };
}

/** The same, waiting for the answer; as text, nil as null. */
export async function ask(cluster: TorcCluster, name: string, words: readonly string[], here = false): Promise<string | null> {
  const begun = begin(cluster, name, words, here);
  await cluster.scheduler.runFor(20_000, () => begun.reply() !== undefined);
  const reply = begun.reply();
  if (reply === undefined) throw new Error(`${words.join(' ')} is not answered`);
  if (reply === null) return null;
  return textOf(reply);
}

/** Commands of one connection to a node, and what they were answered, as text: '' as long as they are not; and that in the order in which it came. */
export function connected(
  cluster: TorcCluster,
  name: string,
): { readonly say: (...words: string[]) => void; readonly replies: readonly string[]; readonly came: readonly string[] } {
  const connection = cluster.connect(name);
  const replies: string[] = [];
  const came: string[] = [];
  const say = (...words: string[]): void => {
    const at = replies.push('') - 1;
    const done = (reply: Reply): void => void came.push((replies[at] = String(textOf(reply))));
    cluster.scheduler.schedule(name, 0, words.join(' '), () => connection.run(words, done));
  };
  return { say, replies, came };
}

export function setFull(cluster: TorcCluster, names: readonly string[], full: boolean): void {
  for (const name of names) cluster.runningNow(name).node.disk.setFull(full);
}

/** What a node is promised reaches it with `release` only, which tells how much that was: until then its take-overs wait. */
export function promisesHeld(cluster: TorcCluster, name: string): { readonly release: () => number } {
  const { takeOver } = cluster.runningNow(name).node;
  const onPromises = takeOver.onPromises.bind(takeOver);
  const late: (() => void)[] = [];
  takeOver.onPromises = (...promises) => void late.push(() => onPromises(...promises));
  const release = (): number => {
    takeOver.onPromises = onPromises;
    for (const promises of late) promises();
    return late.length;
  };
  return { release };
}

export function entryAt(cluster: TorcCluster, name: string, key: string): KeyEntry {
  const partition = partitionOfSlot(slotOf(Buffer.from(key)), cluster.partitions);
  const entry = cluster.runningNow(name).store.partition(partition).entries.get(key);
  if (entry === undefined) throw new Error(`${name} has no ${key}`);
  return entry;
}

/** Home replicas of a key, the coordinator first. */
export function homes(cluster: TorcCluster, key: string): string[] {
  const { membership } = cluster.runningNow('a').node;
  const partition = partitionOfSlot(slotOf(Buffer.from(key)), cluster.partitions);
  return membership.preferenceList(partition).map((member) => membership.configuration?.members[member]?.nodeId ?? '');
}

/** Appends at a node that runs it itself, until it is acknowledged: the first time the node may learn that it was superseded. */
export async function append(cluster: TorcCluster, name: string, key: string, element: string): Promise<void> {
  let reply: string | null = null;
  for (let attempt = 0; attempt < 3; attempt++) {
    reply = await ask(cluster, name, ['APPEND', key, element], true);
    if (/^\d+$/.test(String(reply))) return;
  }
  throw new Error(`${name} does not append: ${reply}`);
}

export function keysOfDifferentPartitions(cluster: TorcCluster): string[] {
  const partitionOf = (key: string): number => partitionOfSlot(slotOf(Buffer.from(key)), cluster.partitions);
  const other = Array.from({ length: 50 }, (_, i) => `k${i}`).find((key) => partitionOf(key) !== partitionOf('k'));
  if (other === undefined) throw new Error('all keys are of one partition');
  return ['k', other];
}

export async function well(cluster: TorcCluster): Promise<void> {
  await cluster.scheduler.runFor(60_000, () => cluster.allWell());
  await cluster.scheduler.runFor(3000);
}
