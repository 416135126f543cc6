/**
 * Watches the room on a node's disk, so that writes are refused while there is still enough for what is under way: of the partitions of a turn whose append the disk does
 * not take the node says nothing until the disk has it, and if the process dies before that, those writes never were (docs/decisions/0042-failing-disks.md).
 */
import { statfs } from 'node:fs/promises';

const lookEveryMs = 250;
const lookSoonestMs = 10;
/** Looks before the least is reached, at the rate of late. */
const looksAhead = 4;
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

/**
 * When to look again, ms: the sooner the faster what is over the least is being used up. `usedBytes` in the last `elapsedMs`; 250 ms while nothing is used, or the
 * disk is full already.
 */
export function nextLookMs(overBytes: number, usedBytes: number, elapsedMs: number): number {
  if (usedBytes <= 0 || overBytes < 0 || elapsedMs <= 0) return lookEveryMs;
  const leftMs = (overBytes / usedBytes) * elapsedMs;
  return Math.min(lookEveryMs, Math.max(lookSoonestMs, leftMs / looksAhead));
}

export class DiskGuard {
  private full = false;
  private closed = false;
  private timer: NodeJS.Timeout | undefined;
  /** At the last look. */
  private freeBytes = 0;
  private lookedMs = performance.now();

  constructor(private readonly options: DiskGuardOptions) {
    void this.look();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private async look(): Promise<void> {
    const { directory, freeBytesMin, changed } = this.options;
    let againMs = lookEveryMs;
    try {
      const { bavail, bsize } = await statfs(directory);
      const freeBytes = bavail * bsize;
      const full = isFull(freeBytes, freeBytesMin(), this.full);
      const nowMs = performance.now();
      if (freeBytesMin() > 0) againMs = nextLookMs(freeBytes - freeBytesMin(), this.freeBytes - freeBytes, nowMs - this.lookedMs);
      this.freeBytes = freeBytes;
      this.lookedMs = nowMs;
      if (!this.closed && full !== this.full) {
        this.full = full;
        changed(full, freeBytes);
      }
    } catch {
      // A disk that cannot be asked is the storage's to complain of.
    }
    if (!this.closed) this.timer = setTimeout(() => void this.look(), againMs).unref();
  }
}
