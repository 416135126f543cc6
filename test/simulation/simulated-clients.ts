/**
 * Clients of a simulated cluster: registers (SET, DEL, GET), counters (INCRBY, GET), lists (APPEND of unique elements, GET), sets (SADD of unique members, SREM,
 * SPOP, DEL, a rewriting SDIFFSTORE, SMEMBERS, SISMEMBER, SCARD), ranks (ZADD of unique members, ZREM, ZPOPMIN, ZPOPMAX, ZREMRANGEBYSCORE, a rewriting ZUNIONSTORE, ZRANGE, ZSCORE, ZCARD),
 * bitmaps (SETBIT, DEL, GET, GETBIT, BITCOUNT), places (GEOADD, ZREM, GEOPOS), fields (HSET, HDEL, HGET) and tallies (HINCRBY, HGET) of hashes, queues (LPUSH, RPUSH and LINSERT of unique values,
 * LPOP, RPOP, LREM, LTRIM, LRANGE), cells (LSET and LINDEX of a list's first element), sketches (PFADD of elements that stand in registers of their own, PFMERGE, GET), logs (XADD of unique values, XDEL, XTRIM, XSETID, XRANGE, XLEN), feeds (XADD of unique values, XREADGROUP, XACK, XCLAIM, XAUTOCLAIM), volatile registers (SET PX, PEXPIRE, PERSIST, GET), brief ones, the same in a field of a hash, and groups (MSET, DEL, MGET of several keys of one slot), each on keys of its own, recorded for the checkers. A refusal that
 * promises that nothing was executed has no effect; UNKNOWNOUTCOME, no answer in time and a node that went away may have one.
 */
import { ErrorReply, StatusReply, type Reply } from '../../protocol/resp/reply.js';
import { ClientHistories, elementsOf, groupKeys, type Demands } from './client-histories.js';
import { CollectionClients, isCollectionWorkload, type CollectionWorkload } from './collection-clients.js';
import type { Ending } from './history.js';
import type { SeededRandom } from './random.js';
import type { ClientConnection, TorcCluster } from './torc-cluster.js';
import { neverRan, type RanWithin } from './volatile-checker.js';

export type Workload = 'register' | 'counter' | 'list' | 'volatile' | 'brief' | 'group' | CollectionWorkload;

export interface ClientSettings {
  readonly clients: number;
  readonly keysPerWorkload: number;
  readonly workloads: readonly Workload[];
  /** Mean time between two commands of a client. */
  readonly thinkMs: number;
  /** Of a write that the client's own node runs, whoever else could. */
  readonly hereChance: number;
  /** Of a command that does not wait for the one before. */
  readonly pipelineChance: number;
}

const patienceMs = 6000;

/** What a reply means for a history; 'nothing' = surely no effect. */
type Meaning = 'unknown' | 'nothing' | { readonly value: Reply };

const refusals = ['NOREPLICAS', 'LOADING', 'MISCONF'];

export class SimulatedClients {
  readonly histories = new ClientHistories();
  /** Replies that a client must never see. */
  readonly strange: string[] = [];
  acknowledged = 0;
  /** Surely without effect. */
  refused = 0;
  unknown = 0;
  readonly #connections = new Set<ClientConnection>();
  readonly #random: SeededRandom;
  readonly #collections = new CollectionClients(this.histories);
  #serial = 0;
  #stopped = false;

  constructor(
    private readonly cluster: TorcCluster,
    private readonly settings: ClientSettings,
  ) {
    this.#random = cluster.random.fork('clients');
  }

  start(): void {
    for (let client = 0; client < this.settings.clients; client++) this.#live(`client${client}`);
  }

  stop(): void {
    this.#stopped = true;
  }

  keys(workload: Workload): string[] {
    return Array.from({ length: this.settings.keysPerWorkload }, (_, at) => `${workload}${at}`);
  }

  /** Commands that a node still runs and has not answered. */
  get unanswered(): number {
    let sum = 0;
    for (const connection of this.#connections) if (connection.isOpen) sum += connection.unanswered;
    return sum;
  }

  /** Reads `key` at `name`; part of the history. */
  read(client: string, name: string, key: string, told: (ok: boolean) => void): void {
    this.#readOn(this.#connectTo(name), client, key, told);
  }

  /** The first fault of all histories; undefined when there is none. */
  verdict(demands: Demands = { linearizable: false, sloppy: false }): string | undefined {
    return this.strange[0] ?? this.histories.verdict(demands);
  }

  /** The same for what is finally there: `valueOf` a key, null = nothing. */
  finalVerdict(valueOf: (key: string) => string | null, sloppy = false): string | undefined {
    return this.histories.finalVerdict(valueOf, sloppy);
  }

  #live(client: string): void {
    const { scheduler, nodes } = this.cluster;
    const random = this.#random.fork(client);
    let connection: ClientConnection | undefined;
    const wait = (): void => {
      const delayMs = random.between(0, 2 * this.settings.thinkMs);
      scheduler.schedule(undefined, delayMs, client, next);
    };
    const next = (): void => {
      if (this.#stopped) return;
      if (connection?.isOpen !== true || random.chance(0.1)) {
        const up = nodes.filter((name) => this.cluster.running(name) !== undefined);
        if (up.length === 0) return wait();
        connection = this.#connectTo(random.pick(up));
      }
      const pipelines = random.chance(this.settings.pipelineChance);
      let over = false;
      this.#command(connection, client, random, () => {
        if (!over && !pipelines) wait();
        over = true;
      });
      if (pipelines) wait();
      else
        scheduler.schedule(undefined, patienceMs, `${client} waits no longer`, () => {
          if (over) return;
          over = true;
          connection = undefined;
          wait();
        });
    };
    wait();
  }

  #connectTo(name: string): ClientConnection {
    const connection = this.cluster.connect(name);
    this.#connections.add(connection);
    return connection;
  }

  #command(connection: ClientConnection, client: string, random: SeededRandom, told: () => void): void {
    const workload = random.pick(this.settings.workloads);
    const key = random.pick(this.keys(workload));
    const here = random.chance(this.settings.hereChance);
    // What is run here goes past the connection's order.
    const order = here ? undefined : connection.name;
    if (random.chance(0.4)) return this.#readOn(connection, client, key, told);
    if (workload === 'counter') {
      const by = random.pick([1, 1, 5, -2]);
      const ending = this.histories.counters.invoke(client, key, { kind: 'increment', by }, order);
      return this.#send(connection, client, ['INCRBY', key, String(by)], here, ending, ({ value }) => Number(value), told);
    }
    if (isCollectionWorkload(workload)) {
      const { words, ending } = this.#collections.change(workload, client, key, random, order);
      return this.#send(connection, client, words, here, ending, ({ value }) => value, told);
    }
    if (workload === 'volatile' || workload === 'brief') return this.#changeVolatile(connection, client, key, random, here, told);
    const value = `v${++this.#serial}`;
    if (workload === 'group') {
      const isDeletion = random.chance(0.15);
      const ending = this.histories.groups.invoke(client, key, { kind: 'write', value: isDeletion ? null : value }, order);
      const words = isDeletion ? ['DEL', ...groupKeys(key)] : ['MSET', ...groupKeys(key).flatMap((each) => [each, value])];
      return this.#send(connection, client, words, here, ending, () => null, told);
    }
    if (workload === 'list') {
      const ending = this.histories.lists.invoke(client, key, { kind: 'append', element: value }, order);
      return this.#send(connection, client, ['APPEND', key, `${value};`], here, ending, () => null, told);
    }
    if (random.chance(0.15)) {
      const ending = this.histories.registers.invoke(client, key, { kind: 'write', value: null }, order);
      return this.#send(connection, client, ['DEL', key], here, ending, () => null, told);
    }
    const ending = this.histories.registers.invoke(client, key, { kind: 'write', value }, order);
    const options = random.pick([[], [], ['KEEPTTL'], ['GET'], ['NX']]);
    // NX that finds a value writes nothing, and says so by nil.
    const conditional: Ending<Reply> = {
      complete: (reply) => (options[0] === 'NX' && reply === null ? ending.fail() : ending.complete(null)),
      fail: () => ending.fail(),
      leaveUnknown: () => ending.leaveUnknown(),
    };
    const words = ['SET', key, value, ...options];
    this.#send(connection, client, words, here, conditional, (meaning) => meaning.value, told);
  }

  #changeVolatile(connection: ClientConnection, client: string, key: string, random: SeededRandom, here: boolean, told: () => void): void {
    const { volatiles } = this.histories;
    const order = here ? undefined : connection.name;
    const ran = neverRan();
    const span = random.pick([20, 300, 2000]);
    const kind = random.pick(['SET PX', 'SET PX', 'SET', 'DEL', 'PEXPIRE', 'PEXPIRE', 'PERSIST'] as const);
    if (kind === 'PEXPIRE' || kind === 'PERSIST') {
      const spanMs = kind === 'PERSIST' ? Infinity : span;
      const ending = volatiles.invoke(client, key, { kind: 'expire', spanMs, ran }, order);
      const words = inField(key, kind === 'PERSIST' ? ['PERSIST', key] : ['PEXPIRE', key, String(span)]);
      // What found nothing changed nothing.
      const hasFound = (reply: Reply): boolean => Number(Array.isArray(reply) ? reply[0] : reply) === 1;
      const found: Ending<Reply> = { ...ending, complete: (reply) => (hasFound(reply) ? ending.complete(null) : ending.fail()) };
      return this.#send(connection, client, words, here, found, ({ value }) => value, told, ran);
    }
    const value = kind === 'DEL' ? null : `v${++this.#serial}`;
    const spanMs = kind === 'SET PX' ? span : Infinity;
    const ending = volatiles.invoke(client, key, { kind: 'write', value, spanMs, ran }, order);
    const words = value === null ? ['DEL', key] : ['SET', key, value, ...(kind === 'SET PX' ? ['PX', String(span)] : [])];
    this.#send(connection, client, inField(key, words), here, ending, () => null, told, ran);
  }

  /** All its keys have the same, or none is there. */
  #valueOfGroup(group: string, reply: Reply): string | null {
    const values = Array.isArray(reply) ? reply.map((each) => (each === null ? null : textOf(each as Reply))) : [];
    if (values.length !== groupKeys(group).length || new Set(values).size > 1) {
      this.strange.push(`MGET of ${group} shows ${JSON.stringify(values)}, which were always written together`);
    }
    return values[0] ?? null;
  }

  #readOn(connection: ClientConnection, client: string, key: string, told: (ok: boolean) => void): void {
    const words = ['GET', key];
    const text = ({ value }: { readonly value: Reply }): string | null => (value === null ? null : textOf(value));
    const ofCollection = this.#collections.read(client, key, connection.name);
    if (ofCollection !== undefined) {
      const { words: asked, ending } = ofCollection;
      this.#send(connection, client, asked, false, ending, ({ value }) => value, told);
    } else if (key.startsWith('register')) {
      const ending = this.histories.registers.invoke(client, key, { kind: 'read' }, connection.name);
      this.#send(connection, client, words, false, ending, text, told);
    } else if (key.startsWith('counter')) {
      const ending = this.histories.counters.invoke(client, key, { kind: 'read' }, connection.name);
      this.#send(connection, client, words, false, ending, (meaning) => Number(text(meaning) ?? 0), told);
    } else if (key.startsWith('volatile') || key.startsWith('brief')) {
      const ran = neverRan();
      const ending = this.histories.volatiles.invoke(client, key, { kind: 'read', ran }, connection.name);
      this.#send(connection, client, inField(key, words), false, ending, text, told, ran);
    } else if (key.startsWith('group')) {
      const ending = this.histories.groups.invoke(client, key, { kind: 'read' }, connection.name);
      this.#send(connection, client, ['MGET', ...groupKeys(key)], false, ending, ({ value }) => this.#valueOfGroup(key, value), told);
    } else {
      const ending = this.histories.lists.invoke(client, key, { kind: 'read' }, connection.name);
      this.#send(connection, client, words, false, ending, (meaning) => elementsOf(text(meaning)), told);
    }
  }

  /** The command travels to the node, as an event of it, and the reply back to nobody's: a client sees neither crash nor pause. */
  #send<Output>(
    connection: ClientConnection,
    client: string,
    words: readonly string[],
    here: boolean,
    ending: Ending<Output>,
    outputOf: (meaning: { readonly value: Reply }) => Output,
    told: (ok: boolean) => void,
    ran?: RanWithin,
  ): void {
    const { scheduler } = this.cluster;
    const { name, store } = connection.running;
    const command = `${client} ${words.join(' ')}`;
    const latencyMs = this.#random.between(0.05, 1);
    // A connection's commands arrive as they were sent.
    connection.arrivalMs = Math.max(connection.arrivalMs, scheduler.nowMs + latencyMs);
    scheduler.schedule(name, connection.arrivalMs - scheduler.nowMs, command, () => {
      if (ran !== undefined) ran.fromMs = store.hybridClock.nowMs();
      connection.run(
        words,
        (reply) => {
          if (ran !== undefined) ran.untilMs = store.hybridClock.nowMs();
          scheduler.schedule(undefined, latencyMs, `${command}: ${textOf(reply)}`, () => {
            const meaning = meaningOf(reply);
            if (meaning === 'unknown') ending.leaveUnknown();
            else if (meaning === 'nothing') ending.fail();
            else if (meaning.value instanceof ErrorReply) this.strange.push(`${command}: ${meaning.value.text}`);
            else ending.complete(outputOf(meaning));
            if (meaning === 'unknown') this.unknown++;
            else if (meaning === 'nothing') this.refused++;
            else this.acknowledged++;
            told(typeof meaning !== 'string');
          });
        },
        here,
      );
    });
  }
}

/** The same command on the field of a brief register's hash: alone in it, or beside one that stays, as its last digit has it. */
function inField(key: string, [name = '', , ...rest]: readonly string[]): readonly string[] {
  if (!key.startsWith('brief')) return [name, key, ...rest];
  const fields = ['FIELDS', '1', 'v'];
  const [value = '', , span = ''] = rest;
  if (name === 'PEXPIRE') return ['HPEXPIRE', key, value, ...fields];
  if (name === 'PERSIST') return ['HPERSIST', key, ...fields];
  if (name === 'DEL') return ['HDEL', key, 'v'];
  if (name === 'GET') return ['HGET', key, 'v'];
  if (span !== '') return ['HSETEX', key, 'PX', span, ...fields, value];
  return /[02468]$/.test(key) ? ['HSET', key, 'v', value] : ['HSET', key, 'v', value, 'stays', value];
}

function meaningOf(reply: Reply): Meaning {
  if (!(reply instanceof ErrorReply)) return { value: reply };
  if (reply.code === 'UNKNOWNOUTCOME') return 'unknown';
  // A group that is there, or not yet.
  if (reply.code === 'NOGROUP' || reply.code === 'BUSYGROUP') return { value: null };
  // LSET of a list, or XSETID of a stream, that is not there; XSETID of one that is further.
  if (reply.text === 'ERR no such key' || reply.text.startsWith('ERR The ID specified in XSETID is smaller than')) return { value: null };
  return refusals.includes(reply.code) ? 'nothing' : { value: reply };
}

/** A reply as text, nil as "null". */
export function textOf(reply: Reply | undefined): string {
  if (reply instanceof ErrorReply || reply instanceof StatusReply) return reply.text;
  if (Buffer.isBuffer(reply)) return reply.toString();
  if (typeof reply === 'bigint' || typeof reply === 'string') return reply.toString();
  return JSON.stringify(reply ?? null, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
}
