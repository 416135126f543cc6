/**
 * A disk that refuses writes, and how a store comes back from that by itself (docs/decisions/0042-failing-disks.md): from the first refusal on the disk is tried
 * again every second, until all that memory holds is on it. Whoever uses the store is told of both, so that it takes no writes in between.
 */
import type { Clock } from './clock.js';
import { StorageError } from './engine.js';

const retryMs = 1000;

export class DiskTrouble {
  /** Why writes are not to be taken; undefined = they are. */
  reason: StorageError | undefined;
  /** Times that the disk was tried since it refused. */
  attempts = 0;
  private listener: (reason: StorageError | undefined) => void = () => undefined;
  private closed = false;
  /** It refused again since the attempt began that is under way. */
  private metAgain = false;

  constructor(
    private readonly clock: Clock,
    /** Brings all that memory holds to the disk. Rejects with StorageError while the disk refuses. */
    private readonly mend: () => Promise<void>,
    /** What no retry can mend. */
    private readonly failed: (error: StorageError) => void,
  ) {}

  /** `listener` is told when the trouble begins, why, and, with undefined, when it is over. */
  onChange(listener: (reason: StorageError | undefined) => void): void {
    this.listener = listener;
    if (this.reason !== undefined) listener(this.reason);
  }

  /** The disk refused a write. Damage is no refusal: it is for good. */
  met(error: StorageError): void {
    if (this.closed) return;
    if (error.code === 'DAMAGED') return this.failed(error);
    const isNew = this.reason === undefined;
    this.reason = error;
    this.metAgain = true;
    if (!isNew) return;
    this.attempts = 0;
    this.tryLater();
    this.listener(error);
  }

  close(): void {
    this.closed = true;
  }

  private tryLater(): void {
    this.clock.after(retryMs, () => {
      if (!this.closed) this.attempt().catch((error: unknown) => this.failed(asFailure(error)));
    });
  }

  private async attempt(): Promise<void> {
    this.attempts++;
    this.metAgain = false;
    try {
      await this.mend();
    } catch (error) {
      if (this.closed) return;
      if (!(error instanceof StorageError) || error.code === 'DAMAGED') throw error;
      this.reason = error;
      return this.tryLater();
    }
    if (this.closed) return;
    if (this.metAgain) return this.tryLater();
    this.reason = undefined;
    this.listener(undefined);
  }
}

function asFailure(error: unknown): StorageError {
  return error instanceof StorageError ? error : new StorageError('IO', 'the storage could not be mended', { cause: error });
}
