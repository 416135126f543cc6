/**
 * What clients of a simulated cluster do with sets, hashes, sorted sets, lists, streams and HyperLogLogs, recorded for the checkers. A hash's field is a register, and beside it in the same
 * hash another is a counter; so is a sorted set's member.
 */
import { DoubleReply, MapReply, SetReply, type Reply } from '../../protocol/resp/reply.js';
import { decodeScore } from '../../storage/score-value.js';
import { isClaim, pendingId } from '../../server/streams/group-elements.js';
import { decodeFields, entryElement, entryId, kind } from '../../server/streams/stream-elements.js';
import type { ClientHistories } from './client-histories.js';
import { parseId } from '../../server/streams/stream-id.js';
import type { Ending } from './history.js';
import type { SeededRandom } from './random.js';
import { elementsIn, standsAlone } from './sketches.js';

export type CollectionWorkload = 'set' | 'field' | 'tally' | 'score' | 'queue' | 'log' | 'feed' | 'sketch';

const collectionWorkloads: ReadonlySet<string> = new Set<CollectionWorkload>([
  'set',
  'field',
  'tally',
  'score',
  'queue',
  'log',
  'feed',
  'sketch',
]);

export function isCollectionWorkload(workload: string): workload is CollectionWorkload {
  return collectionWorkloads.has(workload);
}

/** Whether what is checked under this name lies in a collection. */
export const isOfCollection = (name: string): boolean => /^(set|field|tally|score|queue|log|feed)\d/.test(name);

/** The key in the cluster: a field and a tally of one number lie in one hash. */
export const storedKey = (name: string): string => name.replace(/^(field|tally)(?=\d)/, 'hash');

/** What is finally there, as text: `pairs` are a collection's elements and values, in latin1. */
export function finallyShown(name: string, pairs: readonly (readonly [element: string, value: string])[]): string | null {
  if (name.startsWith('set')) return pairs.map(([element]) => `${element};`).join('');
  if (name.startsWith('log')) {
    const entries = pairs.filter(([element]) => element.length === entryElement(0n).length);
    return entries.map(([, fields]) => `${decodeFields(Buffer.from(fields, 'latin1'))[1]?.toString()};`).join('');
  }
  if (name.startsWith('feed')) return pendingIn(pairs);
  if (name.startsWith('queue')) {
    const inOrder = pairs.toSorted(([x], [y]) => (x < y ? -1 : 1));
    return inOrder.map(([, value]) => `${value};`).join('');
  }
  if (name.startsWith('score')) {
    const value = pairs.find(([member]) => member === 'n')?.[1];
    return value === undefined ? null : String(decodeScore(Buffer.from(value, 'latin1')));
  }
  return pairs.find(([element]) => element === (name.startsWith('field') ? 'r' : 'n'))?.[1] ?? null;
}

/** The values of entries that the one group of a stream has pending. */
function pendingIn(pairs: readonly (readonly [element: string, value: string])[]): string {
  const all = pairs.map(([element, value]) => [Buffer.from(element, 'latin1'), Buffer.from(value, 'latin1')] as const);
  const entries = new Map(
    all.flatMap(([element, value]) => (element[0] === kind.entry ? [[entryId(element), decodeFields(value)[1]?.toString()]] : [])),
  );
  const pending = all.filter(([element]) => element[0] === kind.pending && !isClaim(element)).map(([element]) => pendingId(element));
  return pending.map((id) => `${entries.get(id) ?? '?'};`).join('');
}

interface Asked {
  readonly words: readonly string[];
  readonly ending: Ending<Reply>;
}

function withOutput<Output>(ending: Ending<Output>, outputOf: (reply: Reply) => Output): Ending<Reply> {
  return { complete: (reply) => ending.complete(outputOf(reply)), fail: () => ending.fail(), leaveUnknown: () => ending.leaveUnknown() };
}

const textOrNull = (reply: Reply): string | null => (Buffer.isBuffer(reply) ? reply.toString() : typeof reply === 'string' ? reply : null);

const scoreOf = (reply: Reply): number => (reply instanceof DoubleReply ? reply.value : Number(textOrNull(reply) ?? 0));

function membersOf(reply: Reply): string[] {
  const members = reply instanceof SetReply ? reply.members : Array.isArray(reply) ? (reply as readonly Reply[]) : [];
  if (reply instanceof MapReply) throw new Error('a set was answered as a map');
  return members.map((member) => textOrNull(member) ?? '?');
}

/** Ahead of all clocks: every id of a stream that has one such is chosen right behind the last. */
const farAheadMs = 9_999_999_999_999;

/** The values of XRANGE's entries, whose ids have to grow. */
function loggedIn(reply: Reply): string[] {
  const entries = (Array.isArray(reply) ? reply : []) as readonly (readonly [Reply, readonly Reply[]])[];
  const ids = entries.map(([id]) => parseId(Buffer.from(textOrNull(id) ?? ''), 0n) ?? -1n);
  if (ids.some((id, i) => i > 0 && id <= (ids[i - 1] ?? 0n))) throw new Error(`the ids of a stream do not grow: ${ids.join(' ')}`);
  return entries.map(([, fields]) => textOrNull(fields[1] ?? null) ?? '?');
}

export class CollectionClients {
  #serial = 0;
  /** The last members that were added, by key: what SREM takes, and what LINSERT stands beside. */
  readonly #added = new Map<string, string[]>();

  /** Ids and values of the last entries that were added, by key. */
  readonly #logged = new Map<string, (readonly [id: string, member: string])[]>();

  /** Ids and values of the last entries that were taken, by key. */
  readonly #taken = new Map<string, (readonly [id: string, value: string])[]>();

  /** Elements of each HyperLogLog, whatever became of their PFADDs. */
  readonly #sketched = new Map<string, readonly string[]>();

  constructor(private readonly histories: ClientHistories) {}

  change(workload: CollectionWorkload, client: string, name: string, random: SeededRandom, order: string | undefined): Asked {
    const key = storedKey(name);
    if (workload === 'set') return this.#changeSet(client, name, random, order);
    if (workload === 'queue') return this.#changeQueue(client, name, random, order);
    if (workload === 'feed') return this.#changeFeed(client, name, random, order);
    if (workload === 'sketch') return this.#changeSketch(client, name, random, order);
    if (workload === 'log') return this.#changeLog(client, name, random, order);
    if (workload === 'tally') {
      const by = random.pick([1, 1, 5, -2]);
      const ending = this.histories.counters.invoke(client, name, { kind: 'increment', by }, order);
      return { words: ['HINCRBY', key, 'n', String(by)], ending: withOutput(ending, Number) };
    }
    if (workload === 'score') {
      const by = random.pick([1, 1, 5, -2]);
      const ending = this.histories.counters.invoke(client, name, { kind: 'increment', by }, order);
      return { words: ['ZINCRBY', key, String(by), 'n'], ending: withOutput(ending, scoreOf) };
    }
    const value = random.chance(0.15) ? null : `f${++this.#serial}`;
    const ending = this.histories.registers.invoke(client, name, { kind: 'write', value }, order);
    const words = value === null ? ['HDEL', key, 'r'] : ['HSET', key, 'r', value];
    return { words, ending: withOutput(ending, () => null) };
  }

  /** Undefined: the name is not of a collection. */
  read(client: string, name: string, order: string): Asked | undefined {
    const key = storedKey(name);
    if (/^set\d/.test(name)) {
      const ending = this.histories.sets.invoke(client, name, { kind: 'read' }, order);
      return { words: ['SMEMBERS', key], ending: withOutput(ending, membersOf) };
    }
    if (/^sketch\d/.test(name)) {
      const ending = this.histories.sets.invoke(client, name, { kind: 'read' }, order);
      const shown = (reply: Reply): string[] => elementsIn(Buffer.isBuffer(reply) ? reply : null, this.#sketched.get(name) ?? []);
      return { words: ['GET', name], ending: withOutput(ending, shown) };
    }
    if (/^log\d/.test(name)) {
      const ending = this.histories.sets.invoke(client, name, { kind: 'read' }, order);
      return { words: ['XRANGE', name, '-', '+'], ending: withOutput(ending, loggedIn) };
    }
    if (/^feed\d/.test(name)) return this.#takeFromFeed(client, name, order);
    if (/^queue\d/.test(name)) {
      const ending = this.histories.queues.invoke(client, name, { kind: 'read' }, order);
      return { words: ['LRANGE', name, '0', '-1'], ending: withOutput(ending, membersOf) };
    }
    if (/^field\d/.test(name)) {
      const ending = this.histories.registers.invoke(client, name, { kind: 'read' }, order);
      return { words: ['HGET', key, 'r'], ending: withOutput(ending, textOrNull) };
    }
    if (/^score\d/.test(name)) {
      const ending = this.histories.counters.invoke(client, name, { kind: 'read' }, order);
      // By its name, or as the only one of a range.
      this.#serial++;
      if (this.#serial % 2 === 0) return { words: ['ZSCORE', key, 'n'], ending: withOutput(ending, scoreOf) };
      const scoreIn = (reply: Reply): number => scoreOf((reply as readonly Reply[])[1] ?? null);
      return { words: ['ZRANGE', key, '0', '-1', 'WITHSCORES'], ending: withOutput(ending, scoreIn) };
    }
    if (!/^tally\d/.test(name)) return undefined;
    const ending = this.histories.counters.invoke(client, name, { kind: 'read' }, order);
    return { words: ['HGET', key, 'n'], ending: withOutput(ending, (reply) => Number(textOrNull(reply) ?? 0)) };
  }

  #changeQueue(client: string, name: string, random: SeededRandom, order: string | undefined): Asked {
    const { queues } = this.histories;
    if (random.chance(0.4)) {
      const ending = queues.invoke(client, name, { kind: 'pop' }, order);
      return { words: [random.pick(['LPOP', 'LPOP', 'RPOP']), name], ending: withOutput(ending, textOrNull) };
    }
    const value = `q${++this.#serial}`;
    const known = this.#added.get(name) ?? [];
    this.#added.set(name, [...known, value].slice(-8));
    const ending = queues.invoke(client, name, { kind: 'push', value }, order);
    if (known.length > 0 && random.chance(0.25)) {
      // Where its pivot is gone it writes nothing.
      const inserted = { ...ending, complete: (reply: Reply) => (Number(reply) > 0 ? ending.complete(null) : ending.fail()) };
      return { words: ['LINSERT', name, random.pick(['BEFORE', 'AFTER']), random.pick(known), value], ending: inserted };
    }
    return { words: [random.pick(['RPUSH', 'RPUSH', 'LPUSH']), name, value], ending: withOutput(ending, () => null) };
  }

  /** Entries of unique values, by ids that the server chooses. Where one came back that was given before, its entry took the other's place, which is missing then. */
  #changeLog(client: string, name: string, random: SeededRandom, order: string | undefined): Asked {
    const { sets } = this.histories;
    const known = this.#logged.get(name) ?? [];
    if (known.length > 0 && random.chance(0.2)) {
      const [id, member] = random.pick(known);
      return {
        words: ['XDEL', name, id],
        ending: withOutput(sets.invoke(client, name, { kind: 'remove', member }, order), () => null),
      };
    }
    const member = `e${++this.#serial}`;
    const ending = sets.invoke(client, name, { kind: 'add', member }, order);
    const added = (reply: Reply): null => {
      this.#logged.set(name, [...(this.#logged.get(name) ?? []), [textOrNull(reply) ?? '?', member] as const].slice(-8));
      return null;
    };
    const id = random.pick(['*', '*', `${farAheadMs}-*`]);
    return { words: ['XADD', name, id, 'member', member], ending: withOutput(ending, added) };
  }

  /** All that nobody was given yet. */
  #takeFromFeed(client: string, name: string, order: string | undefined): Asked {
    const ending = this.histories.feeds.invoke(client, name, { kind: 'take' }, order);
    const taken = (reply: Reply): string[] => {
      const [[, entries] = [null, null]] = (
        reply instanceof MapReply ? reply.entries : Array.isArray(reply) ? reply : []
      ) as readonly (readonly [Reply, Reply])[];
      const values = loggedIn(entries);
      const ids = ((entries ?? []) as readonly (readonly [Reply, Reply])[]).map(([id]) => textOrNull(id) ?? '?');
      const known = this.#taken.get(name) ?? [];
      this.#taken.set(name, [...known, ...ids.map((id, i) => [id, values[i] ?? '?'] as const)].slice(-8));
      return values;
    };
    return { words: ['XREADGROUP', 'GROUP', 'g', client, 'STREAMS', name, '>'], ending: withOutput(ending, taken) };
  }

  #changeFeed(client: string, name: string, random: SeededRandom, order: string | undefined): Asked {
    const { feeds } = this.histories;
    const action = random.fraction();
    const known = this.#taken.get(name) ?? [];
    if (action < 0.1) {
      const ending = feeds.invoke(client, name, { kind: 'make' }, order);
      return { words: ['XGROUP', 'CREATE', name, 'g', '0', 'MKSTREAM'], ending: withOutput(ending, () => null) };
    }
    if (action < 0.2) {
      const ending = feeds.invoke(client, name, { kind: 'claim' }, order);
      return { words: ['XAUTOCLAIM', name, 'g', client, '0', '-', 'COUNT', '3', 'JUSTID'], ending: withOutput(ending, () => null) };
    }
    if (action < 0.5 && known.length > 0) {
      const [id, value] = random.pick(known);
      const ending = feeds.invoke(client, name, { kind: 'acknowledge', value }, order);
      return { words: ['XACK', name, 'g', id], ending: withOutput(ending, (reply) => Number(reply) === 1) };
    }
    const value = `f${++this.#serial}`;
    const ending = feeds.invoke(client, name, { kind: 'add', value }, order);
    return { words: ['XADD', name, random.pick(['*', '*', `${farAheadMs}-*`]), 'value', value], ending: withOutput(ending, () => null) };
  }

  #changeSketch(client: string, name: string, random: SeededRandom, order: string | undefined): Asked {
    const { sets } = this.histories;
    // All registers are written again, as they were found.
    if (random.chance(0.15))
      return { words: ['PFMERGE', name], ending: withOutput(sets.invoke(client, name, { kind: 'rewrite' }, order), () => null) };
    const known = this.#sketched.get(name) ?? [];
    let member = `h${++this.#serial}`;
    while (!standsAlone(member, known)) member = `h${++this.#serial}`;
    this.#sketched.set(name, [...known, member]);
    return { words: ['PFADD', name, member], ending: withOutput(sets.invoke(client, name, { kind: 'add', member }, order), () => null) };
  }

  #changeSet(client: string, name: string, random: SeededRandom, order: string | undefined): Asked {
    const { sets } = this.histories;
    const known = this.#added.get(name) ?? [];
    const action = random.fraction();
    if (action < 0.25 && known.length > 0) {
      const member = random.pick(known);
      return {
        words: ['SREM', name, member],
        ending: withOutput(sets.invoke(client, name, { kind: 'remove', member }, order), () => null),
      };
    }
    if (action < 0.3) return { words: ['DEL', name], ending: withOutput(sets.invoke(client, name, { kind: 'clear' }, order), () => null) };
    if (action < 0.4) {
      // Everything that is there, deleted and written again in one batch. It takes away nothing.
      const words = ['SDIFFSTORE', name, name, `{${name}}none`];
      return { words, ending: withOutput(sets.invoke(client, name, { kind: 'rewrite' }, order), () => null) };
    }
    const member = `m${++this.#serial}`;
    this.#added.set(name, [...known, member].slice(-8));
    return { words: ['SADD', name, member], ending: withOutput(sets.invoke(client, name, { kind: 'add', member }, order), () => null) };
  }
}
