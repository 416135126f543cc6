/**
 * What clients of a simulated cluster do with hashes, sorted sets, lists and consumer groups, recorded for the checkers; what is checked as a set is in member-clients.ts.
 * A hash's field is a register, and beside it in the same hash another is a counter; so is a sorted set's member. A place on the earth is a register, too, and so is a
 * list's first element.
 */
import { MapReply, type Reply } from '../../protocol/resp/reply.js';
import { decodeScore } from '../../storage/score-value.js';
import { placeOf } from '../../server/commands/geo-cell.js';
import { isClaim, pendingId } from '../../server/streams/group-elements.js';
import { decodeFields, entryElement, entryId, kind } from '../../server/streams/stream-elements.js';
import { farAheadMs, loggedIn, membersOf, numberOf, textOrNull, withOutput, type Asked } from './asked.js';
import type { ClientHistories } from './client-histories.js';
import type { Ending } from './history.js';
import { finallyRanked, MemberClients, type MemberWorkload } from './member-clients.js';
import { placeNamed, valueAt } from './places.js';
import type { SeededRandom } from './random.js';

export type CollectionWorkload = MemberWorkload | 'field' | 'tally' | 'score' | 'place' | 'queue' | 'cell' | 'feed';

const collectionWorkloads: ReadonlySet<string> = new Set<CollectionWorkload>([
  'set',
  'field',
  'tally',
  'score',
  'place',
  'queue',
  'cell',
  'feed',
  'rank',
  'bitmap',
  'log',
  'sketch',
]);

export function isCollectionWorkload(workload: string): workload is CollectionWorkload {
  return collectionWorkloads.has(workload);
}

/** Whether what is checked under this name lies in a collection. */
export const isOfCollection = (name: string): boolean => /^(set|rank|field|tally|score|place|queue|cell|log|feed)\d/.test(name);

/** The key in the cluster: a field and a tally of one number lie in one hash. */
export const storedKey = (name: string): string => name.replace(/^(field|tally)(?=\d)/, 'hash');

/** What is finally there, as text: `pairs` are a collection's elements and values, in latin1. */
export function finallyShown(name: string, pairs: readonly (readonly [element: string, value: string])[]): string | null {
  if (name.startsWith('set')) return pairs.map(([element]) => `${element};`).join('');
  if (name.startsWith('rank')) return finallyRanked(pairs);
  if (name.startsWith('log')) {
    const entries = pairs.filter(([element]) => element.length === entryElement(0n).length);
    return entries.map(([, fields]) => `${decodeFields(Buffer.from(fields, 'latin1'))[1]?.toString()};`).join('');
  }
  if (name.startsWith('feed')) return pendingIn(pairs);
  if (name.startsWith('queue')) {
    const inOrder = pairs.toSorted(([x], [y]) => (x < y ? -1 : 1));
    return inOrder.map(([, value]) => `${value};`).join('');
  }
  if (name.startsWith('cell')) return pairs.toSorted(([x], [y]) => (x < y ? -1 : 1))[0]?.[1] ?? null;
  if (name.startsWith('place')) {
    const score = pairs.find(([member]) => member === 'r')?.[1];
    return score === undefined ? null : valueAt(placeOf(decodeScore(Buffer.from(score, 'latin1'))));
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

export class CollectionClients {
  #serial = 0;
  readonly #members: MemberClients;
  /** The last values that were pushed, by key: what LREM takes, and what LINSERT stands beside. */
  readonly #added = new Map<string, string[]>();

  /** Lists that have their first element. */
  readonly #begun = new Set<string>();

  /** Ids and values of the last entries that were taken, by key. */
  readonly #taken = new Map<string, (readonly [id: string, value: string])[]>();

  constructor(private readonly histories: ClientHistories) {
    this.#members = new MemberClients(histories.sets);
  }

  change(workload: CollectionWorkload, client: string, name: string, random: SeededRandom, order: string | undefined): Asked {
    const key = storedKey(name);
    if (workload === 'queue') return this.#changeQueue(client, name, random, order);
    if (workload === 'feed') return this.#changeFeed(client, name, random, order);
    if (workload === 'cell') return this.#changeCell(client, name, order);
    if (workload === 'tally') {
      const by = random.pick([1, 1, 5, -2]);
      const ending = this.histories.counters.invoke(client, name, { kind: 'increment', by }, order);
      return { words: ['HINCRBY', key, 'n', String(by)], ending: withOutput(ending, Number) };
    }
    if (workload === 'score') {
      const by = random.pick([1, 1, 5, -2]);
      const ending = this.histories.counters.invoke(client, name, { kind: 'increment', by }, order);
      return { words: ['ZINCRBY', key, String(by), 'n'], ending: withOutput(ending, numberOf) };
    }
    if (workload !== 'field' && workload !== 'place') return this.#members.change(workload, client, name, random, order);
    const serial = ++this.#serial;
    const value = random.chance(0.15) ? null : `${workload === 'place' ? 'p' : 'f'}${serial}`;
    const ending = this.histories.registers.invoke(client, name, { kind: 'write', value }, order);
    if (workload === 'place') {
      const { longitude, latitude } = placeNamed(serial);
      const words = value === null ? ['ZREM', key, 'r'] : ['GEOADD', key, String(longitude), String(latitude), 'r'];
      return { words, ending: withOutput(ending, () => null) };
    }
    const words = value === null ? ['HDEL', key, 'r'] : ['HSET', key, 'r', value];
    return { words, ending: withOutput(ending, () => null) };
  }

  /** Undefined: the name is not of a collection. */
  read(client: string, name: string, order: string): Asked | undefined {
    const key = storedKey(name);
    const ofMembers = this.#members.read(client, name, order);
    if (ofMembers !== undefined) return ofMembers;
    if (/^feed\d/.test(name)) return this.#takeFromFeed(client, name, order);
    if (/^queue\d/.test(name)) {
      const ending = this.histories.queues.invoke(client, name, { kind: 'read' }, order);
      return { words: ['LRANGE', name, '0', '-1'], ending: withOutput(ending, membersOf) };
    }
    if (/^cell\d/.test(name)) {
      const ending = this.histories.registers.invoke(client, name, { kind: 'read' }, order);
      return { words: ['LINDEX', name, '0'], ending: withOutput(ending, textOrNull) };
    }
    if (/^place\d/.test(name)) {
      const ending = this.histories.registers.invoke(client, name, { kind: 'read' }, order);
      const placed = (reply: Reply): string | null => {
        const [place] = (Array.isArray(reply) ? reply : []) as readonly Reply[];
        const [longitude, latitude] = (Array.isArray(place) ? place : []) as readonly Reply[];
        if (longitude === undefined || latitude === undefined) return null;
        return valueAt({ longitude: numberOf(longitude), latitude: numberOf(latitude) });
      };
      return { words: ['GEOPOS', name, 'r'], ending: withOutput(ending, placed) };
    }
    if (/^field\d/.test(name)) {
      const ending = this.histories.registers.invoke(client, name, { kind: 'read' }, order);
      return { words: ['HGET', key, 'r'], ending: withOutput(ending, textOrNull) };
    }
    if (/^score\d/.test(name)) {
      const ending = this.histories.counters.invoke(client, name, { kind: 'read' }, order);
      // By its name, or as the only one of a range.
      this.#serial++;
      if (this.#serial % 2 === 0) return { words: ['ZSCORE', key, 'n'], ending: withOutput(ending, numberOf) };
      const scoreIn = (reply: Reply): number => numberOf((reply as readonly Reply[])[1] ?? null);
      return { words: ['ZRANGE', key, '0', '-1', 'WITHSCORES'], ending: withOutput(ending, scoreIn) };
    }
    if (!/^tally\d/.test(name)) return undefined;
    const ending = this.histories.counters.invoke(client, name, { kind: 'read' }, order);
    return { words: ['HGET', key, 'n'], ending: withOutput(ending, (reply) => Number(textOrNull(reply) ?? 0)) };
  }

  #changeQueue(client: string, name: string, random: SeededRandom, order: string | undefined): Asked {
    const { queues } = this.histories;
    const known = this.#added.get(name) ?? [];
    const action = random.fraction();
    if (action < 0.28) {
      const ending = queues.invoke(client, name, { kind: 'pop' }, order);
      return { words: [random.pick(['LPOP', 'LPOP', 'RPOP']), name], ending: withOutput(ending, textOrNull) };
    }
    if (action < 0.36 && known.length > 0) {
      const value = random.pick(known);
      const ending = queues.invoke(client, name, { kind: 'remove', value }, order);
      return {
        words: ['LREM', name, random.pick(['0', '1', '-1']), value],
        ending: withOutput(ending, (reply) => (Number(reply) === 1 ? value : null)),
      };
    }
    if (action < 0.38) {
      const ending = queues.invoke(client, name, { kind: 'clear' }, order);
      return { words: ['LTRIM', name, '1', '0'], ending: withOutput(ending, () => null) };
    }
    // What it took it does not say: so on some lists only.
    if (action < 0.44 && /[13579]$/.test(name)) {
      const ending = queues.invoke(client, name, { kind: 'trim' }, order);
      return {
        words: [
          'LTRIM',
          name,
          ...random.pick([
            ['1', '-1'],
            ['0', '-2'],
          ]),
        ],
        ending: withOutput(ending, () => null),
      };
    }
    const value = `q${++this.#serial}`;
    this.#added.set(name, [...known, value].slice(-8));
    const ending = queues.invoke(client, name, { kind: 'push', value }, order);
    if (known.length > 0 && random.chance(0.25)) {
      // Where its pivot is gone it writes nothing.
      const inserted = { ...ending, complete: (reply: Reply) => (Number(reply) > 0 ? ending.complete(null) : ending.fail()) };
      return { words: ['LINSERT', name, random.pick(['BEFORE', 'AFTER']), random.pick(known), value], ending: inserted };
    }
    return { words: [random.pick(['RPUSH', 'RPUSH', 'LPUSH']), name, value], ending: withOutput(ending, () => null) };
  }

  /** LSET of a list's first element, which a push makes where there is none. Nothing takes it away: a list that is not there is told as a read of nothing. */
  #changeCell(client: string, name: string, order: string | undefined): Asked {
    const { registers } = this.histories;
    const value = `c${++this.#serial}`;
    const write = registers.invoke(client, name, { kind: 'write', value }, order);
    if (!this.#begun.has(name)) {
      // Behind another it is not the first, but to one who has not heard of that other yet.
      const pushed = (reply: Reply): void => {
        this.#begun.add(name);
        if (Number(reply) === 1) write.complete(null);
        else write.leaveUnknown();
      };
      return { words: ['RPUSH', name, value], ending: { ...write, complete: pushed } };
    }
    const look = registers.invoke(client, name, { kind: 'read' }, order);
    const ending: Ending<Reply> = {
      complete: (reply) => {
        if (reply === null) look.complete(null);
        else look.leaveUnknown();
        if (reply === null) write.fail();
        else write.complete(null);
      },
      fail: () => [look, write].forEach((one) => one.fail()),
      leaveUnknown: () => [look, write].forEach((one) => one.leaveUnknown()),
    };
    return { words: ['LSET', name, '0', value], ending };
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
      const [one] = known;
      if (action < 0.15 && one !== undefined)
        return { words: ['XCLAIM', name, 'g', client, '0', one[0]], ending: withOutput(ending, () => null) };
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
}
