/**
 * Watches the room on a node's disk, so that writes are refused while there is still enough for what is under way: an append that the disk does not take stops the node, since
 * what it has applied by then is not in its log.
 */
import { statfs } from 'node:fs/promises';

const lookEveryMs = 250;
/** Room begins at this many times the least, or the two states would chase each other. */
const roomFactor = 1.25;

interface DiskGuardOptions {
  readonly directory: string;
  /** Of the directive; 0 = the disk is not watched. Read each time. */
  readonly freeBytesMin: () => number;
  readonly changed: (full: boolean, freeBytes: number) => void;
}

/** Whether a disk with so much room is full, given whether it was. */
export function isFull(freeBytes: number, freeBytesMin: number, was: boolean): boolean {
  return freeBytesMin > 0 && freeBytes < (was ? roomFactor : 1) * freeBytesMin;
}

export class DiskGuard {
  private full = false;
  private closed = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: DiskGuardOptions) {
    void this.look();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private async look(): Promise<void> {
    const { directory, freeBytesMin, changed } = this.options;
    try {
      const { bavail, bsize } = await statfs(directory);
      const freeBytes = bavail * bsize;
      const full = isFull(freeBytes, freeBytesMin(), this.full);
      if (!this.closed && full !== this.full) {
        this.full = full;
        changed(full, freeBytes);
      }
    } catch {
      // A disk that cannot be asked is the storage's to complain of.
    }
    if (!this.closed) this.timer = setTimeout(() => void this.look(), lookEveryMs).unref();
  }
}
