/** What a node's directory takes of the disk, looked at only when somebody asks and then not more than once in a while. */
import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { sampled, secondsUntilFull, type DiskSample } from './disk-forecast.js';

const lookEveryMs = 10_000;

interface Look {
  readonly atMs: number;
  /** By the directory's own sub-directories; what lies beside them is `other`. */
  readonly bytes: ReadonlyMap<string, number>;
  readonly availableBytes: number;
  readonly totalBytes: number;
}

export class DiskUsage {
  private last: Look | undefined;
  private samples: readonly DiskSample[] = [];

  constructor(
    private readonly directory: string,
    private readonly monotonicMs: () => number,
  ) {}

  /** Looks again where the last look is old. What cannot be read stays as it was. */
  async refresh(): Promise<void> {
    const atMs = this.monotonicMs();
    if (this.last !== undefined && atMs - this.last.atMs < lookEveryMs) return;
    try {
      const { bavail, blocks, bsize } = await statfs(this.directory);
      this.last = { atMs, bytes: await bytesBelow(this.directory), availableBytes: bavail * bsize, totalBytes: blocks * bsize };
    } catch {
      return; // a disk that cannot be read is the storage's to complain of
    }
    let usedBytes = 0;
    for (const bytes of this.last.bytes.values()) usedBytes += bytes;
    this.samples = sampled(this.samples, { atMs, usedBytes });
  }

  get bytes(): ReadonlyMap<string, number> {
    return this.last?.bytes ?? new Map<string, number>();
  }

  get availableBytes(): number | undefined {
    return this.last?.availableBytes;
  }

  get totalBytes(): number | undefined {
    return this.last?.totalBytes;
  }

  /** Undefined while that cannot be told, or when nothing grows. */
  get secondsUntilFull(): number | undefined {
    return this.last && secondsUntilFull(this.samples, this.last.availableBytes);
  }
}

async function bytesBelow(directory: string): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>();
  const add = async (part: string, file: string): Promise<void> => {
    // RocksDB and the log remove files at any time.
    const size = await stat(file).then(
      (found) => found.size,
      () => 0,
    );
    sums.set(part, (sums.get(part) ?? 0) + size);
  };
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (!entry.isDirectory()) await add('other', path);
    else for (const name of await readdir(path).catch(() => [])) await add(entry.name, join(path, name));
  }
  return sums;
}
