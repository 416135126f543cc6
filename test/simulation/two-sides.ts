/** Both sides of a partition write to one collection: what named scenarios of types have in common. */
import type { ExecutionContext } from 'ava';
import { convergenceFault } from './convergence.js';
import { ask, started, well } from './scenario.js';
import type { TorcCluster } from './torc-cluster.js';

export interface Sides {
  readonly cluster: TorcCluster;
  /** Asks `a`, which is cut off from the others. */
  readonly left: (...words: string[]) => Promise<string | null>;
  /** Asks `b`, which reaches `c`. */
  readonly right: (...words: string[]) => Promise<string | null>;
  /** Joins the sides, and waits until all is as it should be; why replicas are not the same then, if they are not. */
  readonly joined: () => Promise<string | undefined>;
  /** Joins the sides; what every node then answers to the question, as text. */
  readonly healed: (t: ExecutionContext) => Promise<string | null>;
}

/** As often as it takes the node to notice that it has to run the command itself. */
export async function insistent(cluster: TorcCluster, name: string, words: readonly string[]): Promise<string | null> {
  let reply: string | null = null;
  for (let i = 0; i < 10; i++)
    if (!/^(UNKNOWNOUTCOME|NOREPLICAS)/.test(String((reply = await ask(cluster, name, words, true))))) return reply;
  throw new Error(`${words.join(' ')} at ${name}: always ${reply}`);
}

/**
 * A cluster after these commands, and a partition between `a` and the others. `idle` is a command that changes nothing: a take-over makes the first one after it one
 * of unknown outcome, so both sides begin with that. `question` is what every node is asked in the end.
 */
export async function partedAfter(
  before: readonly (readonly string[])[],
  idle: readonly string[],
  question: readonly string[],
): Promise<Sides> {
  const cluster = await started({ sloppyQuorum: true, writeQuorum: 1, readQuorum: 1 });
  for (const words of before) await ask(cluster, 'a', words);
  await cluster.scheduler.runFor(1000);
  for (const other of ['b', 'c']) {
    cluster.network.block('a', other);
    cluster.network.block(other, 'a');
  }
  await cluster.scheduler.runFor(15_000);
  for (const name of ['a', 'b']) await insistent(cluster, name, idle);
  const joined = async (): Promise<string | undefined> => {
    for (const other of ['b', 'c']) {
      cluster.network.unblock('a', other);
      cluster.network.unblock(other, 'a');
    }
    await well(cluster);
    return convergenceFault(cluster);
  };
  return {
    cluster,
    left: (...words) => insistent(cluster, 'a', words),
    right: (...words) => insistent(cluster, 'b', words),
    joined,
    healed: async (t) => {
      t.is(await joined(), undefined);
      const shown: (string | null)[] = [];
      for (const name of cluster.nodes) shown.push(await ask(cluster, name, question));
      const [first = null] = shown;
      for (const other of shown) t.is(other, first, 'the same on every node, in one order');
      return first;
    },
  };
}
