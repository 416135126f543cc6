/**
 * Hashing off the event loop: a Piscina pool of few threads that run at a lower priority, end when they are idle, and take and give buffers by
 * transfer. There is no second way: when the pool fails, the node does.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { Hasher, HashingTask } from '../storage/merkle-hashing.js';
import type { HashingJob } from './hashing-worker.js';

const threadsMax = 2;
const idleMs = 10_000;
/** Of the threads' niceness, where the system has such. */
const niceness = 10;

/** The pool cannot hash: the node stops with its message. */
export class HashingFailure extends Error {
  readonly code = 'HASHING';
  override readonly name = 'HashingFailure';
}

export class HashingPool implements Hasher {
  private readonly pool: Piscina<HashingJob, Uint8Array>;
  private closed = false;
  /** Of the tasks under way. A thread that never came up leaves those that waited for it unanswered: they are told here. */
  private readonly rejections = new Set<(failure: HashingFailure) => void>();

  /** `onFailure` is told before a task is rejected. `worker`: the compiled module that threads run. */
  constructor(
    private readonly onFailure: (error: Error) => void,
    worker: URL = new URL('./hashing-worker.js', import.meta.url),
  ) {
    this.pool = new Piscina<HashingJob, Uint8Array>({
      filename: fileURLToPath(worker),
      minThreads: 0,
      maxThreads: Math.max(1, Math.min(threadsMax, availableParallelism() - 1)),
      idleTimeout: idleMs,
      niceIncrement: process.platform === 'win32' ? 0 : niceness,
    });
    this.pool.on('error', (error: unknown) => this.fail(error));
  }

  run(task: HashingTask, input: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.rejections.add(reject);
      this.pool
        .run({ task, input }, { transferList: [input.buffer] })
        .then(resolve, (error: unknown) => this.fail(error))
        .finally(() => this.rejections.delete(reject));
    });
  }

  /** Ends the threads, whatever they are at. */
  async close(): Promise<void> {
    this.closed = true;
    await this.pool.destroy();
  }

  private fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const failure = new HashingFailure(`the pool that hashes records for comparison failed: ${reason}`, { cause: error });
    if (!this.closed) this.onFailure(failure);
    for (const reject of this.rejections) reject(failure);
    this.rejections.clear();
  }
}
