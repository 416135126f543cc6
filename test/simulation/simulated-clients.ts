/**
 * Clients of a simulated cluster and what they were told: registers (SET, DEL, GET), counters (INCRBY, GET) and lists (APPEND of unique
 * elements, GET), each on keys of its own, recorded for the checkers. A refusal that promises that nothing was executed has no effect; UNKNOWNOUTCOME,
 * no answer in time and a node that went away may have one.
 */
import { ErrorReply, StatusReply, type Reply } from '../../protocol/resp/reply.js';
import { checkCounterReads, checkFinalCounter, type CounterInput, type CounterOutput } from './counter-checker.js';
import { History, type Ending, type Verdict } from './history.js';
import { checkFinalList, checkList, checkListReadsKeepUp, type ListInput, type ListOutput } from './list-checker.js';
import type { SeededRandom } from './random.js';
import { checkFinalValue, checkReadsKeepUp, checkRegister, type RegisterInput, type RegisterOutput } from './register-checker.js';
import type { ClientConnection, TorcCluster } from './torc-cluster.js';

export type Workload = 'register' | 'counter' | 'list';

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

const refusals = ['NOREPLICAS', 'LOADING'];

export class SimulatedClients {
  readonly registers = new History<RegisterInput, RegisterOutput>();
  readonly counters = new History<CounterInput, CounterOutput>();
  readonly lists = new History<ListInput, ListOutput>();
  /** Replies that a client must never see. */
  readonly strange: string[] = [];
  acknowledged = 0;
  /** Surely without effect. */
  refused = 0;
  unknown = 0;
  readonly #connections = new Set<ClientConnection>();
  readonly #random: SeededRandom;
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

  /** The first fault of all histories; undefined when there is none. `linearizable`: registers and lists are demanded to be. */
  verdict(linearizable = false): string | undefined {
    const verdicts: Verdict[] = [];
    if (linearizable) {
      for (const history of this.registers.byKey().values()) verdicts.push(checkRegister(history));
      for (const history of this.lists.byKey().values()) verdicts.push(checkList(history));
    }
    for (const history of this.registers.byKey().values()) verdicts.push(checkReadsKeepUp(history));
    for (const history of this.counters.byKey().values()) verdicts.push(checkCounterReads(history));
    for (const history of this.lists.byKey().values()) verdicts.push(checkListReadsKeepUp(history));
    return this.strange[0] ?? reasonOf(verdicts);
  }

  /** The same for what is finally there: `valueOf` a key, null = nothing. */
  finalVerdict(valueOf: (key: string) => string | null): string | undefined {
    const verdicts: Verdict[] = [];
    for (const [key, history] of this.registers.byKey()) verdicts.push(checkFinalValue(history, valueOf(key)));
    for (const [key, history] of this.counters.byKey()) verdicts.push(checkFinalCounter(history, Number(valueOf(key) ?? 0)));
    for (const [key, history] of this.lists.byKey()) verdicts.push(checkFinalList(history, elementsOf(valueOf(key))));
    return reasonOf(verdicts);
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
      const ending = this.counters.invoke(client, key, { kind: 'increment', by }, order);
      return this.#send(connection, client, ['INCRBY', key, String(by)], here, ending, ({ value }) => Number(value), told);
    }
    const value = `v${++this.#serial}`;
    if (workload === 'list') {
      const ending = this.lists.invoke(client, key, { kind: 'append', element: value }, order);
      return this.#send(connection, client, ['APPEND', key, `${value};`], here, ending, () => null, told);
    }
    if (random.chance(0.15)) {
      const ending = this.registers.invoke(client, key, { kind: 'write', value: null }, order);
      return this.#send(connection, client, ['DEL', key], here, ending, () => null, told);
    }
    const ending = this.registers.invoke(client, key, { kind: 'write', value }, order);
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

  #readOn(connection: ClientConnection, client: string, key: string, told: (ok: boolean) => void): void {
    const words = ['GET', key];
    const text = ({ value }: { readonly value: Reply }): string | null => (value === null ? null : textOf(value));
    if (key.startsWith('register')) {
      const ending = this.registers.invoke(client, key, { kind: 'read' }, connection.name);
      this.#send(connection, client, words, false, ending, text, told);
    } else if (key.startsWith('counter')) {
      const ending = this.counters.invoke(client, key, { kind: 'read' }, connection.name);
      this.#send(connection, client, words, false, ending, (meaning) => Number(text(meaning) ?? 0), told);
    } else {
      const ending = this.lists.invoke(client, key, { kind: 'read' }, connection.name);
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
  ): void {
    const { scheduler } = this.cluster;
    const { name } = connection.running;
    const command = `${client} ${words.join(' ')}`;
    const latencyMs = this.#random.between(0.05, 1);
    // A connection's commands arrive as they were sent.
    connection.arrivalMs = Math.max(connection.arrivalMs, scheduler.nowMs + latencyMs);
    scheduler.schedule(name, connection.arrivalMs - scheduler.nowMs, command, () => {
      connection.run(
        words,
        (reply) =>
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
          }),
        here,
      );
    });
  }
}

function meaningOf(reply: Reply): Meaning {
  if (!(reply instanceof ErrorReply)) return { value: reply };
  if (reply.code === 'UNKNOWNOUTCOME') return 'unknown';
  return refusals.includes(reply.code) ? 'nothing' : { value: reply };
}

/** A reply as text, nil as "null". */
export function textOf(reply: Reply | undefined): string {
  if (reply instanceof ErrorReply || reply instanceof StatusReply) return reply.text;
  if (Buffer.isBuffer(reply)) return reply.toString();
  if (typeof reply === 'bigint' || typeof reply === 'string') return reply.toString();
  return JSON.stringify(reply ?? null);
}

export function elementsOf(text: string | null): string[] {
  return text === null ? [] : text.split(';').filter((element) => element !== '');
}

function reasonOf(verdicts: readonly Verdict[]): string | undefined {
  const bad = verdicts.find(({ verdict }) => verdict !== 'accepted');
  return bad === undefined || bad.verdict === 'accepted' ? undefined : bad.reason;
}
