/** A well-behaved client beside a badly behaved one: it goes on setting and getting, checks every answer, and remembers the slowest. */
import { performance } from 'node:perf_hooks';
import { RawClient } from './raw-client.js';

export class ProbeClient {
  /** The longest wait for one answer so far. */
  slowestMs = 0;
  answers = 0;
  #stopping = false;
  #running: Promise<void>;

  private constructor(
    private readonly client: RawClient,
    private readonly name: string,
  ) {
    this.#running = this.#run();
    this.#running.catch(() => undefined); // stop() tells
  }

  static async start(port: number): Promise<ProbeClient> {
    return new ProbeClient(await RawClient.connect(port), `probe:${port}`);
  }

  /** Rejects if any answer was wrong or missing. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await this.client.end();
  }

  /** Resolves when so many more answers have come, or rejects as stop() would. */
  async served(more: number): Promise<void> {
    const enough = this.answers + more;
    while (this.answers < enough) await Promise.race([this.#running, new Promise((resolve) => setImmediate(resolve))]);
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#stopping; i++) {
      const key = `${this.name}:${i % 100}`;
      const begunMs = performance.now();
      const replies = await this.client.ask(['SET', key, `${i}`], ['GET', key]);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - begunMs);
      if (replies[0] !== '+OK' || replies[1] !== `$${i}`) throw new Error(`probe ${i} was answered ${replies.join(' ')}`);
      this.answers++;
    }
  }
}
