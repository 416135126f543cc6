/**
 * Spans of sampled commands, noted in the serving thread and handed in rounds to the thread that sends them (traces-thread.ts), which begins with the first of them. So nothing
 * of tracing is loaded while nothing is traced, and a receiver that is slow or gone holds up nobody.
 *
 * Bounds: `spansMax` wait here, and as many in the thread; what comes beyond is dropped. What goes wrong is logged once, until the rate is set anew.
 */
import { randomFillSync } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import {
  CallTrace,
  contextBytes,
  type OpenSpan,
  type SpanAttributes,
  type SpanKind,
  type TraceContext,
  type Tracer,
} from '../../cluster/tracing.js';
import type { ThreadResource } from './metrics-thread.js';
import type { FinishedSpan, TracesAnswer } from './traces-thread.js';

/** Also the thread's (OpenTelemetry's default). */
const spansMax = 2048;
const roundMs = 1000;
/** How long a node that stops waits for what it has still to send. */
const lastRoundMs = 1000;
const traceIdBytes = 16;

export interface TracesOptions extends ThreadResource {
  /** Of an OTLP receiver over HTTP; spans go to its path /v1/traces. */
  readonly endpoint: string;
  /** Of commands that come to this node, 0 to 1. Read each time. */
  readonly rate: () => number;
  /** Even on 0 to 1. */
  readonly chance: () => number;
  /** Unix ms, with fractions. */
  readonly nowMs: () => number;
  /** Spans cannot be sent, or are dropped. */
  readonly problem: (text: string) => void;
}

export class Traces implements Tracer {
  /** False: no command has to be looked at. */
  isOn = false;
  /** Spans dropped for want of room. */
  dropped = 0;
  private finished: FinishedSpan[] = [];
  private worker: Worker | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** The thread has not taken the last round yet. */
  private handing = false;
  private hasComplained = false;
  private closed = false;

  constructor(private readonly options: TracesOptions) {
    this.rateChanged();
  }

  rateChanged(): void {
    this.isOn = this.options.rate() > 0;
    this.hasComplained = false;
  }

  /** A client's command came: its trace, if it is sampled. */
  sample(command: string): CallTrace | undefined {
    if (this.options.chance() >= this.options.rate()) return undefined;
    const trace = new CallTrace(this, undefined);
    const operation = command.toUpperCase().replace('|', ' ');
    trace.enter(operation, 'server', { 'db.system.name': 'torc', 'db.operation.name': operation });
    return trace;
  }

  begin(name: string, kind: SpanKind, parent: TraceContext | undefined, attributes: SpanAttributes): OpenSpan {
    const context = Buffer.allocUnsafeSlow(contextBytes);
    randomFillSync(context, parent === undefined ? 0 : traceIdBytes);
    parent?.copy(context, 0, 0, traceIdBytes);
    const beganMs = this.options.nowMs();
    return {
      context,
      end: (errorCode) => this.note({ name, kind, context, parent, beganMs, endedMs: this.options.nowMs(), attributes, errorCode }),
    };
  }

  /** Sends what there is, within a limit. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    const { worker } = this;
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage(this.finished);
    worker.postMessage('end');
    this.finished = [];
    const limit = setTimeout(() => void worker.terminate(), lastRoundMs);
    await ended;
    clearTimeout(limit);
  }

  private note(span: FinishedSpan): void {
    if (this.closed) return;
    if (this.finished.length >= spansMax) {
      this.dropped++;
      return this.complain(`more than ${spansMax} spans wait to be sent: some are dropped`);
    }
    this.finished.push(span);
    this.timer ??= setTimeout(() => this.round(), roundMs).unref();
  }

  private round(): void {
    this.timer = undefined;
    if (this.finished.length === 0 || this.handing) return;
    this.handing = true;
    const worker = (this.worker ??= this.start());
    worker.postMessage(this.finished);
    this.finished = [];
  }

  private start(): Worker {
    const { nodeId, clusterName, version, startedAtMs, endpoint } = this.options;
    const worker = new Worker(new URL('./traces-thread.js', import.meta.url), {
      workerData: { nodeId, clusterName, version, startedAtMs } satisfies ThreadResource,
      name: 'traces',
      // All that the SDK is told: the process's own environment may mean other programs.
      env: {
        OTEL_TRACES_EXPORTER: 'otlp',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
        OTEL_BSP_SCHEDULE_DELAY: String(roundMs),
        OTEL_BSP_MAX_QUEUE_SIZE: String(spansMax),
        OTEL_TRACES_SAMPLER: 'always_on',
      },
    });
    worker.unref();
    worker.on('message', (answer: TracesAnswer) => {
      if ('problem' in answer) return this.complain(answer.problem);
      this.handing = false;
      if (this.finished.length > 0 && !this.closed) this.timer ??= setTimeout(() => this.round(), roundMs).unref();
    });
    worker.on('error', (error: unknown) => this.complain(error instanceof Error ? error.message : String(error)));
    worker.on('exit', () => {
      this.worker = undefined;
      this.handing = false;
    });
    return worker;
  }

  private complain(problem: string): void {
    if (this.hasComplained) return;
    this.hasComplained = true;
    this.options.problem(problem);
  }
}
