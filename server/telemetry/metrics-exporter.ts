/**
 * This thread's side of /metrics: hands what it read to the thread that renders it, which begins with the first scrape, so a node that nobody
 * scrapes pays nothing. A thread that fails is said to have failed, and the next scrape begins another: metrics are never worth a node.
 */
import { Worker } from 'node:worker_threads';
import type { MetricReading } from './metric.js';
import type { ScrapeAnswer, ScrapeRequest, ThreadResource } from './metrics-thread.js';

interface Waiting {
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

export class MetricsExporter {
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private closed = false;

  /** `module`: the compiled module that the thread runs. */
  constructor(
    private readonly resource: ThreadResource,
    private readonly module: URL = new URL('./metrics-thread.js', import.meta.url),
  ) {}

  /** Rejects with why there is no text. */
  render(readings: readonly MetricReading[]): Promise<string> {
    if (this.closed) return Promise.reject(new Error('the node stops'));
    const worker = (this.worker ??= this.begin());
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      worker.postMessage({ id, readings } satisfies ScrapeRequest);
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.worker?.terminate();
  }

  private begin(): Worker {
    // What the environment says to OpenTelemetry would start exporters of its own.
    const worker = new Worker(this.module, { workerData: this.resource, env: {}, name: 'metrics' });
    worker.unref();
    worker.on('message', (answer: ScrapeAnswer) => {
      const waiting = this.waiting.get(answer.id);
      this.waiting.delete(answer.id);
      if ('text' in answer) waiting?.resolve(answer.text);
      else waiting?.reject(new Error(answer.error));
    });
    let reason = 'the thread that renders metrics ended';
    worker.on(
      'error',
      (error: unknown) => (reason = `the thread that renders metrics failed: ${error instanceof Error ? error.message : String(error)}`),
    );
    worker.on('exit', () => {
      if (this.worker === worker) this.worker = undefined;
      for (const { reject } of this.waiting.values()) reject(new Error(reason));
      this.waiting.clear();
    });
    return worker;
  }
}
