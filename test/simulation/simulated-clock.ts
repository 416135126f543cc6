/**
 * Time for a whole simulated cluster: one queue of events, and time moves only when the queue does. Invariants:
 *
 * - Nodes run in turns, one at a time: an event, every promise continuation it caused, the next event of that node which is already due
 *   and its continuations, and so on; then the node's `atTurnEnd` callbacks in order, and so on until none is left. A turn keeps its
 *   node busy for a moment; what arrives meanwhile is due together in the next one. Continuations are let run by awaiting one
 *   `setImmediate`: the engine empties its queues of ticks and microtasks, however long, before it gets there. Nothing else may be
 *   waiting in the process's real event loop, so this brings no real time in.
 * - An event belongs to a node's incarnation. What a crashed incarnation still had to come is dropped; what comes to a paused node
 *   (SIGSTOP) waits, and is delivered in its order at `resume`, while the node's clocks go on.
 * - The trace, a SHA-256 over every delivered event, is the same for the same seed.
 */
import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../storage/clock.js';
import { EventQueue, type QueuedEvent } from './event-queue.js';

/** How a node ends: the process by SIGKILL, or the machine under it by loss of power. */
export type CrashKind = 'process' | 'machine';

export interface ClockSettings {
  /** Wall clock minus true time; negative = behind. */
  readonly skewMs?: number;
  /** Millionths by which both of the node's clocks run too fast, for ever: only the first call's counts. More than -1,000,000. */
  readonly driftPpm?: number;
}

/** Wall time at the start of every simulation: 2026-01-01T00:00:00Z. */
export const SIMULATION_START_MS = 1_767_225_600_000;

const TURN_ROUNDS_MAX = 10_000;
const TURN_EVENTS_MAX = 1000;
const TRACE_LINES_KEPT = 400;

interface Machine {
  readonly name: string;
  up: boolean;
  paused: boolean;
  life: number;
  boot: number;
  bootedAtMs: number;
  /** The end of its last turn. */
  busyUntilMs: number;
  /** Readings of its monotonic clock after which it stands still, and for how long; undefined = it goes on. */
  stop: { readings: number; readonly ms: number } | undefined;
  /** It stood still for so long in the middle of the turn that it is in, and runs the rest of it so much later than the others. */
  aheadMs: number;
  skewMs: number;
  readonly driftPpm: number;
  /** Events that came while it was paused, in order. */
  backlog: ScheduledEvent[];
  turnEnd: (() => void)[];
  clock: SimulatedClock | undefined;
}

interface ScheduledEvent extends QueuedEvent {
  atMs: number;
  sequence: number;
  readonly machine: Machine | undefined;
  readonly life: number;
  readonly description: string;
  /** Undefined when cancelled. */
  run: (() => void) | undefined;
}

const isLive = ({ run, machine, life }: ScheduledEvent): boolean => run !== undefined && (machine === undefined || machine.life === life);

const allContinuationsRun = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class Scheduler {
  readonly #queue = new EventQueue<ScheduledEvent>();
  readonly #machines = new Map<string, Machine>();
  readonly #crashListeners: ((node: string, kind: CrashKind) => void)[] = [];
  readonly #hash = createHash('sha256');
  #unhashed: string[] = [];
  #recent: string[] = [];
  #nowMs = 0;
  #sequence = 0;
  #delivered = 0;

  /** A turn keeps its node busy for `turnMs`; 0 = no time. */
  constructor(readonly turnMs = 0.03) {}

  /** True time: milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events delivered so far. */
  get delivered(): number {
    return this.#delivered;
  }

  /** The clock of the node's incarnation; begins one when the node is new or has crashed. A skew lasts until changed. */
  clockFor(node: string, settings: ClockSettings = {}): SimulatedClock {
    let machine = this.#machines.get(node);
    if (machine === undefined) {
      machine = {
        name: node,
        up: true,
        paused: false,
        stop: undefined,
        aheadMs: 0,
        life: 1,
        boot: 1,
        bootedAtMs: this.#nowMs,
        busyUntilMs: 0,
        skewMs: 0,
        driftPpm: settings.driftPpm ?? 0,
        backlog: [],
        turnEnd: [],
        clock: undefined,
      };
      this.#machines.set(node, machine);
    }
    machine.up = true;
    machine.skewMs = settings.skewMs ?? machine.skewMs;
    return (machine.clock ??= new SimulatedClock(this, machine));
  }

  isUp(node: string): boolean {
    return this.#machines.get(node)?.up ?? false;
  }

  isPaused(node: string): boolean {
    return this.#machines.get(node)?.paused ?? false;
  }

  /** Counts the machine's starts, from 1: what a boot id is made of. */
  bootOf(node: string): number {
    return this.#machineOf(node).boot;
  }

  /** Ends the node's incarnation at once: nothing of it runs again. Networks and disks hear of it. Nothing happens when it is down. */
  crash(node: string, kind: CrashKind): void {
    const machine = this.#machineOf(node);
    if (!machine.up) return;
    machine.up = false;
    machine.paused = false;
    machine.stop = undefined;
    machine.aheadMs = 0;
    machine.busyUntilMs = 0;
    machine.life++;
    machine.clock = undefined;
    machine.backlog = [];
    machine.turnEnd = [];
    if (kind === 'machine') {
      machine.boot++;
      machine.bootedAtMs = this.#nowMs;
    }
    this.note(`${node} crash ${kind}`);
    for (const listener of this.#crashListeners) listener(node, kind);
  }

  /** `listener` is called within every `crash` from now on, in the order of registration. */
  onCrash(listener: (node: string, kind: CrashKind) => void): void {
    this.#crashListeners.push(listener);
  }

  /** Stops the node's process as SIGSTOP does. Nothing happens when it is down. */
  pause(node: string): void {
    const machine = this.#machineOf(node);
    if (!machine.up) return;
    machine.paused = true;
    this.note(`${node} pause`);
  }

  /**
   * Stops the node's process for `ms` in the middle of a turn, right before its monotonic clock is read once more after `readings` times: what follows of the turn happens so
   * much later than what came before, and together with what came meanwhile.
   */
  stopWithinTurn(node: string, ms: number, readings: number): void {
    const machine = this.#machineOf(node);
    if (machine.up) machine.stop = { readings, ms };
  }

  /** How much later than now it is for the node. */
  aheadMs(node: string): number {
    return this.#machineOf(node).aheadMs;
  }

  /** The clock of the machine is read. */
  reading(machine: Machine): void {
    if (machine.stop === undefined || machine.stop.readings-- > 0) return;
    const { ms } = machine.stop;
    machine.stop = undefined;
    machine.aheadMs = ms;
    machine.busyUntilMs = this.#nowMs + ms;
    this.note(`${machine.name} stands still for ${ms}`);
    this.schedule(machine.name, ms, 'goes on', () => (machine.aheadMs = 0));
  }

  resume(node: string): void {
    const machine = this.#machineOf(node);
    if (!machine.paused) return;
    machine.paused = false;
    this.note(`${node} resume`);
    // Put back under their own times and numbers they come first, in their order.
    for (const event of machine.backlog) this.#queue.put(event);
    machine.backlog = [];
  }

  /** Moves the node's wall clock by `ms`; its timers and monotonic clock do not notice. */
  jump(node: string, ms: number): void {
    this.#machineOf(node).skewMs += ms;
    this.note(`${node} jump ${ms}`);
  }

  /**
   * `run` happens `delayMs` from now, to the present incarnation of `node`, or to nobody in particular when undefined. The description
   * goes into the trace, so it says what differs between runs that differ. For a node that is down nothing is scheduled.
   */
  schedule(node: string | undefined, delayMs: number, description: string, run: () => void): Timer {
    const machine = node === undefined ? undefined : this.#machineOf(node);
    if (machine !== undefined && !machine.up) return { cancel: () => undefined };
    return this.#put(machine, this.#nowMs + Math.max(0, delayMs), description, run);
  }

  /** Adds a line to the trace: what a client saw, a fault that began. */
  note(line: string): void {
    const whole = `${this.#nowMs} ${line}\n`;
    this.#unhashed.push(whole);
    this.#recent.push(whole);
    if (this.#unhashed.length >= 1024) this.#hashLines();
    if (this.#recent.length >= 2 * TRACE_LINES_KEPT) this.#recent = this.#recent.slice(-TRACE_LINES_KEPT);
  }

  /** Hex SHA-256 of the trace so far. */
  traceHash(): string {
    this.#hashLines();
    return this.#hash.copy().digest('hex');
  }

  /** The last lines of the trace, for looking at a failure. */
  recentTrace(): readonly string[] {
    return this.#recent.slice(-TRACE_LINES_KEPT);
  }

  /** Runs the next turn; false when there is none. Rejects with what a node threw. */
  async step(): Promise<boolean> {
    await this.#finishOutside();
    const event = this.#takeDue(Infinity);
    if (event === undefined) return false;
    await this.#turn(event);
    return true;
  }

  /** Runs every turn up to true time `untilMs`, which it then is, or stops earlier, after the turn that made `done` true. Rejects as `step` does. */
  async runUntil(untilMs: number, done: () => boolean = () => false): Promise<void> {
    await this.#finishOutside();
    while (!done()) {
      const event = this.#takeDue(untilMs);
      if (event === undefined) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return;
      }
      await this.#turn(event);
    }
  }

  /** As `runUntil`, counted from now. */
  async runFor(ms: number, done?: () => boolean): Promise<void> {
    await this.runUntil(this.#nowMs + ms, done);
  }

  #machineOf(node: string): Machine {
    const machine = this.#machines.get(node);
    if (machine === undefined) throw new Error(`no node ${node}: ask for its clock first`);
    return machine;
  }

  #put(machine: Machine | undefined, atMs: number, description: string, run: () => void): Timer {
    const event: ScheduledEvent = { atMs, sequence: ++this.#sequence, machine, life: machine?.life ?? 0, description, run };
    this.#queue.put(event);
    return {
      cancel: () => {
        event.run = undefined;
      },
    };
  }

  #takeDue(untilMs: number): ScheduledEvent | undefined {
    for (let event = this.#queue.peek(); event !== undefined && event.atMs <= untilMs; event = this.#queue.peek()) {
      this.#queue.take();
      if (!isLive(event)) continue;
      const { machine } = event;
      if (machine?.paused === true) {
        machine.backlog.push(event);
      } else if (machine !== undefined && machine.busyUntilMs > event.atMs) {
        // Taken in order and numbered anew, so what is put off keeps its order.
        event.atMs = machine.busyUntilMs;
        event.sequence = ++this.#sequence;
        this.#queue.put(event);
      } else {
        return event;
      }
    }
    return undefined;
  }

  /** The next event, when it is due by now and the same node's. */
  #takeOfSameTurn(machine: Machine): ScheduledEvent | undefined {
    for (let event = this.#queue.peek(); event !== undefined && event.atMs <= this.#nowMs; event = this.#queue.peek()) {
      if (isLive(event) && (event.machine !== machine || machine.paused || machine.aheadMs > 0)) return undefined;
      this.#queue.take();
      if (isLive(event)) return event;
    }
    return undefined;
  }

  async #turn(first: ScheduledEvent): Promise<void> {
    const { machine } = first;
    this.#nowMs = Math.max(this.#nowMs, first.atMs);
    let event: ScheduledEvent | undefined = first;
    for (let count = 1; event !== undefined; count++) {
      this.#delivered++;
      this.note(`${machine?.name ?? '-'} ${event.description}`);
      const { run } = event;
      event.run = undefined;
      run?.();
      event = undefined;
      await allContinuationsRun();
      if (machine === undefined || count >= TURN_EVENTS_MAX) break;
      event = this.#takeOfSameTurn(machine);
    }
    if (machine !== undefined) machine.busyUntilMs = Math.max(machine.busyUntilMs, this.#nowMs + this.turnMs);
    await this.#finishTurns();
  }

  /** Finishes what was asked of nodes from outside, since the last turn. */
  async #finishOutside(): Promise<void> {
    await allContinuationsRun();
    await this.#finishTurns();
  }

  /** All continuations have run before. */
  async #finishTurns(): Promise<void> {
    for (let round = 0; round < TURN_ROUNDS_MAX; round++) {
      let ran = false;
      for (const machine of this.#machines.values()) {
        if (machine.turnEnd.length === 0 || machine.paused || machine.aheadMs > 0) continue;
        ran = true;
        const callbacks = machine.turnEnd;
        machine.turnEnd = [];
        const { life } = machine;
        for (const callback of callbacks) if (machine.life === life) callback();
      }
      if (!ran) return;
      await allContinuationsRun();
    }
    throw new Error(`a turn does not end: atTurnEnd asked for again ${TURN_ROUNDS_MAX} times`);
  }

  #hashLines(): void {
    this.#hash.update(this.#unhashed.join(''));
    this.#unhashed = [];
  }
}

/** One incarnation's clock. After its end nothing asked of it happens. */
export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #machine: Machine;
  readonly #life: number;

  constructor(scheduler: Scheduler, machine: Machine) {
    this.#scheduler = scheduler;
    this.#machine = machine;
    this.#life = machine.life;
  }

  wallMs(): number {
    return Math.floor(SIMULATION_START_MS + (this.#scheduler.nowMs + this.#machine.aheadMs) * this.#rate() + this.#machine.skewMs);
  }

  monotonicMs(): number {
    this.#scheduler.reading(this.#machine);
    return (this.#scheduler.nowMs + this.#machine.aheadMs - this.#machine.bootedAtMs) * this.#rate();
  }

  after(delayMs: number, callback: () => void): Timer {
    if (!this.#alive()) return { cancel: () => undefined };
    // A hair later than asked, so that rounding never shows the callback a monotonic clock that is too early.
    const trueDelayMs = Math.max(0, delayMs) / this.#rate() + 1e-6;
    return this.#scheduler.schedule(this.#machine.name, trueDelayMs, `timer ${delayMs}`, callback);
  }

  atTurnEnd(callback: () => void): void {
    if (this.#alive()) this.#machine.turnEnd.push(callback);
  }

  nextTurn(callback: () => void): void {
    this.after(0, callback);
  }

  /** Moves the wall clock. */
  jump(ms: number): void {
    this.#scheduler.jump(this.#machine.name, ms);
  }

  #alive(): boolean {
    return this.#machine.up && this.#machine.life === this.#life;
  }

  #rate(): number {
    return 1 + this.#machine.driftPpm / 1e6;
  }
}
