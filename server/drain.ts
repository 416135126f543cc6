/**
 * How a node stops without its clients noticing more than a connection that ends: it says that it is not ready, leaves what it coordinates to others,
 * goes on serving for `drain-wait` so that load balancers see it, answers what it was asked, and closes log and storage. All of it within
 * `drain-wait` and `shutdown-timeout`; the commit log makes an end at any earlier instant safe.
 */

export interface DrainSteps {
  /** Leaves what this node coordinates to others. */
  handOver(): Promise<void>;
  /** Takes no more commands, and ends client connections once they have their replies; cuts those that are left after `limitMs`. */
  finishClients(limitMs: number): Promise<void>;
  /** Resolves when nothing waits between this node and others, or after `limitMs`. */
  settle(limitMs: number): Promise<void>;
  /** Closes links, log and storage. */
  close(): Promise<void>;
}

export interface DrainTimes {
  readonly waitSeconds: number;
  readonly timeoutSeconds: number;
}

/** Rejects when the steps fail, or take longer than the times allow. */
export async function drain(steps: DrainSteps, { waitSeconds, timeoutSeconds }: DrainTimes): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    const late = (): void =>
      reject(
        Object.assign(new Error(`did not close within shutdown-timeout (${timeoutSeconds} s); the next start replays its log`), {
          code: 'LATE',
        }),
      );
    timer = setTimeout(late, (waitSeconds + timeoutSeconds) * 1000);
  });
  try {
    await Promise.race([inOrder(steps, waitSeconds, (timeoutSeconds * 1000) / 4), overdue]);
  } finally {
    clearTimeout(timer);
  }
}

/** Clients and peers together get at most half of the time, lest none is left for the storage. */
async function inOrder(steps: DrainSteps, waitSeconds: number, shareMs: number): Promise<void> {
  await Promise.all([steps.handOver(), new Promise((resolve) => setTimeout(resolve, waitSeconds * 1000))]);
  await steps.finishClients(shareMs);
  await steps.settle(shareMs);
  await steps.close();
}
