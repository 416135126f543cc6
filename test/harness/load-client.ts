/**
 * A fast load client that checks every reply: INCR, SET and GET over several pipelined connections, judged by load-ledger.ts while they
 * run and once more by verify(), through any node.
 *
 *   node dist/test/harness/load-client.js --port P[,P...] --operations N [--connections 8] [--pipeline 16] [--verify-port P[,P...]]
 *
 * Invariant: every command sent is settled exactly once: acknowledged, refused, or of unknown outcome. No command is sent again. After an
 * error reply a connection rests for `backoffMs`, as a client would, so a short outage is not counted at the speed of refusals.
 */
import { createConnection, type Socket } from 'node:net';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { LoadLedger, opKind } from './load-ledger.js';
import { verifyThrough } from './load-verify.js';
import { encodeCommand, type ReplyKind, ReplyReader } from './reply-reader.js';

export interface LoadOptions {
  /** Where to connect; a connection that breaks goes on to the next. All on 127.0.0.1. */
  readonly ports: readonly number[];
  /** Commands to send in all; after that the run ends by itself. */
  readonly operations: number;
  /** At most so many are sent in a second, counted from the start: a load that only has to be there. */
  readonly perSecond?: number;
  readonly connections?: number;
  /** Commands in flight per connection. */
  readonly pipeline?: number;
  readonly counters?: number;
  readonly registers?: number;
  readonly valueBytes?: number;
  /** Of 100 commands so many are GETs and so many SETs; the rest are INCRs. */
  readonly getPercent?: number;
  readonly setPercent?: number;
  /** Which commands go to which keys: the same seed sends the same sequence on each connection. */
  readonly seed?: number;
  /** Begins every key; keys must not exist before the run. */
  readonly prefix?: string;
  readonly backoffMs?: number;
  /** A connection that waits longer for a reply is closed and counts its commands as unknown. */
  readonly replyTimeoutMs?: number;
  /** The run rejects when no connection had a successful reply for so long. */
  readonly giveUpMs?: number;
}

export interface LoadReport {
  readonly operations: number;
  /** Successful replies, reads included. */
  readonly acknowledged: number;
  /** Commands whose outcome nobody told: no reply, or an error that does not promise that nothing ran. */
  readonly unknown: number;
  /** Error replies by their first word. */
  readonly errors: Readonly<Record<string, number>>;
  readonly reconnects: number;
  /** The longest time without a successful reply on any connection. */
  readonly longestGapMs: number;
  readonly elapsedMs: number;
  readonly operationsPerSecond: number;
  /** Replies and final states that no order of the commands explains. */
  readonly violations: number;
  /** SETs of unknown outcome that showed after a later SET was acknowledged. */
  readonly late: number;
  /** The first of both, in words. */
  readonly findings: readonly string[];
}

const reconnectDelayMs = 20;
const watchEveryMs = 50;

/** Starts a run. Its `done` resolves with the report when every command is settled. */
export function startLoad(options: LoadOptions): Load {
  return new Load(options);
}

export class Load {
  readonly done: Promise<LoadReport>;
  readonly ledger: LoadLedger;
  readonly settings: Required<LoadOptions>;
  issued = 0;
  reconnects = 0;
  #settled = 0;
  #endedAt: number | undefined;
  #longestGapMs = 0;
  /** Since takeLongestGapMs() was last called. */
  #recentGapMs = 0;
  #lastSuccess = performance.now();
  readonly #startedAt = performance.now();
  readonly #isPaced: boolean;
  readonly #connections: LoadConnection[];
  readonly #milestones: { readonly settled: number; readonly resolve: () => void; readonly reject: (reason: Error) => void }[] = [];
  readonly #watch: NodeJS.Timeout;
  #stopAt: number;
  #finish!: (report: LoadReport) => void;
  #fail!: (reason: Error) => void;

  constructor(options: LoadOptions) {
    const seed = options.seed ?? 1;
    this.settings = {
      connections: 8,
      pipeline: 16,
      counters: 64,
      registers: 4096,
      valueBytes: 32,
      getPercent: 50,
      setPercent: 30,
      seed,
      prefix: `load:${process.pid}:${performance.timeOrigin + performance.now()}:`,
      perSecond: Infinity,
      backoffMs: 20,
      replyTimeoutMs: 15_000,
      giveUpMs: 30_000,
      ...options,
    };
    const { prefix, counters, registers, valueBytes, connections } = this.settings;
    if (registers < connections) throw new RangeError('each connection needs a register of its own');
    this.ledger = new LoadLedger(prefix, counters, registers, valueBytes);
    this.#stopAt = this.settings.operations;
    this.#isPaced = this.settings.perSecond !== Infinity;
    this.done = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    // Who only waits for a milestone must not be met by an unhandled rejection of `done`.
    this.done.catch(() => undefined);
    this.#watch = setInterval(() => this.#look(), watchEveryMs);
    this.#connections = Array.from({ length: connections }, (_, index) => new LoadConnection(this, index));
  }

  /** Commands settled so far. */
  get operations(): number {
    return this.#settled;
  }

  get mayIssue(): boolean {
    return (
      this.issued < this.#stopAt &&
      (!this.#isPaced || this.issued < ((performance.now() - this.#startedAt) * this.settings.perSecond) / 1000)
    );
  }

  /** Resolves once that many commands are settled; rejects when the run ends before. */
  reached(operations: number): Promise<void> {
    if (this.#settled >= operations) return Promise.resolve();
    if (this.#endedAt !== undefined) return Promise.reject(new Error(`the run has ended with ${this.#settled} operations`));
    return new Promise((resolve, reject) => this.#milestones.push({ settled: operations, resolve, reject }));
  }

  /** Sends nothing more; what is in flight is still settled. */
  stop(): Promise<LoadReport> {
    this.#stopAt = this.issued;
    this.#endIfSettled();
    return this.done;
  }

  /** The longest time without a successful reply since this was last called, or since the run began, up to now; whole ms. */
  takeLongestGapMs(): number {
    this.#noteGap(performance.now());
    const gapMs = this.#recentGapMs;
    this.#recentGapMs = 0;
    return Math.round(gapMs);
  }

  /** Re-reads every key through the node at the port, and judges it. To be called after `done`; the report includes what it finds. */
  async verify(port: number): Promise<LoadReport> {
    await verifyThrough(port, this.ledger);
    return this.report();
  }

  report(): LoadReport {
    const { acknowledged, unknown, errors, violations, late, findings } = this.ledger;
    const elapsedMs = (this.#endedAt ?? performance.now()) - this.#startedAt;
    const counts = { operations: this.#settled, acknowledged, unknown, errors: { ...errors }, reconnects: this.reconnects };
    const times = { longestGapMs: Math.round(this.#longestGapMs), elapsedMs: Math.round(elapsedMs) };
    const operationsPerSecond = Math.round((this.#settled / elapsedMs) * 1000);
    return { ...counts, ...times, operationsPerSecond, violations, late, findings: [...findings] };
  }

  /** A connection settled so many commands, some of them successfully or none. */
  settled(count: number, success: boolean): void {
    this.#settled += count;
    if (success) this.#noteSuccess();
    for (let index = this.#milestones.length - 1; index >= 0; index--) {
      const milestone = this.#milestones[index];
      if (milestone === undefined || milestone.settled > this.#settled) continue;
      this.#milestones.splice(index, 1);
      milestone.resolve();
    }
    this.#endIfSettled();
  }

  #endIfSettled(): void {
    if (this.#endedAt === undefined && this.issued >= this.#stopAt && this.#settled === this.issued) this.#end(undefined);
  }

  /** Ends the run, as failed when a reason is given. */
  #end(reason: Error | undefined): void {
    if (this.#endedAt !== undefined) return;
    this.#endedAt = performance.now();
    this.#noteGap(this.#endedAt);
    clearInterval(this.#watch);
    for (const connection of this.#connections) connection.close();
    const tooFew = reason ?? new Error(`the run has ended with ${this.#settled} operations`);
    for (const milestone of this.#milestones.splice(0)) milestone.reject(tooFew);
    if (reason === undefined) this.#finish(this.report());
    else this.#fail(reason);
  }

  #noteSuccess(): void {
    const now = performance.now();
    this.#noteGap(now);
    this.#lastSuccess = now;
  }

  #noteGap(now: number): void {
    const gapMs = (this.#endedAt ?? now) - this.#lastSuccess;
    if (gapMs > this.#longestGapMs) this.#longestGapMs = gapMs;
    if (gapMs > this.#recentGapMs) this.#recentGapMs = gapMs;
  }

  #look(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.look(now);
    if (now - this.#lastSuccess > this.settings.giveUpMs) {
      this.#end(new Error(`no successful reply for ${this.settings.giveUpMs} ms: ${JSON.stringify(this.report())}`));
    }
  }
}

/** One connection, and after a break the next one in its place. Writes the registers whose number is its own modulo the connections. */
class LoadConnection {
  #socket: Socket;
  #reader: ReplyReader;
  #closed = false;
  #restUntil = 0;
  /** A timer ends the rest. */
  #isResting = false;
  #progressAt = performance.now();
  #attempts = 0;
  #random: number;
  /** Commands in flight, oldest first: a ring of `pipeline` places. */
  #first = 0;
  #inFlight = 0;
  readonly #kinds: Uint8Array;
  readonly #keys: Uint32Array;
  /** What the ledger gave at sending. */
  readonly #marks: Float64Array;
  #replies = 0;
  #successes = 0;

  constructor(
    private readonly load: Load,
    private readonly index: number,
  ) {
    const { pipeline, seed } = load.settings;
    this.#kinds = new Uint8Array(pipeline);
    this.#keys = new Uint32Array(pipeline);
    this.#marks = new Float64Array(pipeline);
    this.#random = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) | 1;
    this.#reader = new ReplyReader((kind, text) => this.#onReply(kind, text));
    this.#socket = this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  /** Called every now and then: gives up on a silent server. */
  look(now: number): void {
    if (this.#inFlight > 0 && now - this.#progressAt > this.load.settings.replyTimeoutMs) this.#socket.destroy();
    else if (now >= this.#restUntil) this.#send();
  }

  /** Goes on after an error, unless another one has come meanwhile. */
  #rest(ms: number): void {
    this.#isResting = true;
    setTimeout(() => {
      this.#isResting = false;
      const restMs = this.#restUntil - performance.now();
      if (restMs > 0) this.#rest(restMs);
      else this.#send();
    }, ms);
  }

  #connect(): Socket {
    const { ports } = this.load.settings;
    const port = ports[(this.index + this.#attempts++) % ports.length];
    if (port === undefined) throw new RangeError('no port to connect to');
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    this.#reader = new ReplyReader((kind, text) => this.#onReply(kind, text));
    socket.on('connect', () => this.#send());
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    // 'close' follows every error and does the work.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
    return socket;
  }

  #onClose(): void {
    if (this.#closed) return;
    const lost = this.#inFlight;
    for (; this.#inFlight > 0; this.#inFlight--) {
      this.load.ledger.outcomeUnknown(this.#kinds[this.#first] ?? 0, this.#keys[this.#first] ?? 0, this.#marks[this.#first] ?? 0);
      this.#first = (this.#first + 1) % this.load.settings.pipeline;
    }
    this.load.reconnects++;
    this.load.settled(lost, false);
    setTimeout(() => {
      if (!this.#closed) this.#socket = this.#connect();
    }, reconnectDelayMs);
  }

  #onData(chunk: Buffer): void {
    this.#replies = 0;
    this.#successes = 0;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.load.ledger.malformed(opKind.get, 0, String(error));
      this.#socket.destroy();
    }
    this.#progressAt = performance.now();
    this.load.settled(this.#replies, this.#successes > 0);
    const restMs = this.#restUntil - this.#progressAt;
    // Half a pipeline at a time: many commands a write, and the server never idles.
    if (restMs <= 0 && this.#inFlight <= this.load.settings.pipeline >> 1) this.#send();
    else if (restMs > 0 && !this.#isResting) this.#rest(restMs);
  }

  #onReply(reply: ReplyKind, text: string): void {
    const { ledger, settings } = this.load;
    if (this.#inFlight === 0) throw new Error(`a reply to nothing: ${reply} ${text}`);
    const kind = this.#kinds[this.#first] ?? 0;
    const key = this.#keys[this.#first] ?? 0;
    const mark = this.#marks[this.#first] ?? 0;
    this.#first = (this.#first + 1) % settings.pipeline;
    this.#inFlight--;
    this.#replies++;
    if (reply === 'error') {
      this.#restUntil = performance.now() + settings.backoffMs;
      return ledger.failed(kind, key, mark, text);
    }
    this.#successes++;
    if (kind === opKind.get && (reply === 'bulk' || reply === 'null')) ledger.getReplied(key, mark, reply === 'null' ? undefined : text);
    else if (kind === opKind.incr && reply === 'integer') ledger.incrReplied(key, mark, text);
    else if (kind === opKind.set && reply === 'status' && text === 'OK') ledger.setReplied(key, mark);
    else ledger.malformed(kind, key, `unexpected ${reply} '${text.slice(0, 80)}'`);
  }

  /** Fills the pipeline with one write. */
  #send(): void {
    if (this.#closed || this.#socket.readyState !== 'open') return;
    const { ledger, settings } = this.load;
    let text = '';
    for (; this.#inFlight < settings.pipeline && this.load.mayIssue; this.#inFlight++) {
      const kind = this.#pickKind();
      const key = this.#pickKey(kind);
      const mark = ledger.sent(kind, key);
      const slot = (this.#first + this.#inFlight) % settings.pipeline;
      this.#kinds[slot] = kind;
      this.#keys[slot] = key;
      this.#marks[slot] = mark;
      this.load.issued++;
      if (kind === opKind.incr) text += encodeCommand('INCR', ledger.counterKey(key));
      else if (kind === opKind.get) text += encodeCommand('GET', ledger.registerKey(key));
      else text += encodeCommand('SET', ledger.registerKey(key), ledger.valueOf(key, mark));
    }
    if (text === '') return;
    if (this.#inFlight > 0) this.#progressAt = performance.now();
    this.#socket.write(text, 'latin1');
  }

  #pickKind(): number {
    const { getPercent, setPercent } = this.load.settings;
    const drawn = this.#draw() % 100;
    return drawn < getPercent ? opKind.get : drawn < getPercent + setPercent ? opKind.set : opKind.incr;
  }

  #pickKey(kind: number): number {
    const { counters, registers, connections } = this.load.settings;
    if (kind === opKind.incr) return this.#draw() % counters;
    if (kind === opKind.get) return this.#draw() % registers;
    const own = Math.floor((registers - this.index - 1) / connections) + 1;
    return this.index + connections * (this.#draw() % own);
  }

  /** xorshift32 (Marsaglia, 2003): 32 unsigned bits. */
  #draw(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return x >>> 0;
  }
}

/** The command line's run: exit code 0 when nothing was violated. */
async function main(): Promise<number> {
  const numeric = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { port: numeric, operations: numeric, connections: numeric, pipeline: numeric, seed: numeric, 'verify-port': numeric },
  });
  const ports = (text: string): number[] => text.split(',').map(Number);
  if (values.port === undefined) throw new Error('--port is needed');
  const load = startLoad({
    ports: ports(values.port),
    operations: Number(values.operations ?? 100_000),
    connections: Number(values.connections ?? 8),
    pipeline: Number(values.pipeline ?? 16),
    seed: Number(values.seed ?? 1),
  });
  await load.done;
  for (const port of ports(values['verify-port'] ?? values.port)) await load.verify(port);
  const report = load.report();
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  return report.violations + report.late === 0 ? 0 : 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().then(
    (code) => (process.exitCode = code),
    (error: unknown) => {
      process.stderr.write(`load-client: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    },
  );
}
