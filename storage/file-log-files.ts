/**
 * The commit log's files on a real disk. Appending is one synchronous write into the page cache; everything that waits for the
 * disk runs in Node's thread pool. Invariant: a file's name is durable no later than the first sync of its bytes.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { StorageError } from './engine.js';
import type { LogFile, LogFiles } from './log-files.js';

const fdatasync = promisify(fs.fdatasync);
const closeDescriptor = promisify(fs.close);
const readDescriptor = promisify(fs.read);

/** Makes the creations, renames and removals in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.promises.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

class DiskLogFile implements LogFile {
  #size: number;

  constructor(
    /** -1 once closed, which every call refuses: the number may be another file's by then. */
    private descriptor: number,
    readonly filePath: string,
    private nameIsDurable: boolean,
  ) {
    this.#size = fs.fstatSync(descriptor).size;
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Buffer): number {
    try {
      const written = fs.writeSync(this.descriptor, bytes, 0, bytes.length, this.#size);
      this.#size += written;
      return written;
    } catch (error) {
      if (isDiskFull(error)) return 0;
      throw failed('append to', this.filePath, error);
    }
  }

  async sync(): Promise<void> {
    try {
      await fdatasync(this.descriptor);
      if (this.nameIsDurable) return;
      await syncDirectory(path.dirname(this.filePath));
      this.nameIsDurable = true;
    } catch (error) {
      throw failed('sync', this.filePath, error);
    }
  }

  truncate(size: number): void {
    try {
      fs.ftruncateSync(this.descriptor, size);
      this.#size = size;
    } catch (error) {
      throw failed('truncate', this.filePath, error);
    }
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, this.#size - offset)));
    try {
      for (let filled = 0; filled < bytes.length;) {
        const { bytesRead } = await readDescriptor(this.descriptor, bytes, filled, bytes.length - filled, offset + filled);
        if (bytesRead === 0) return bytes.subarray(0, filled);
        filled += bytesRead;
      }
      return bytes;
    } catch (error) {
      throw failed('read', this.filePath, error);
    }
  }

  async close(): Promise<void> {
    const { descriptor } = this;
    this.descriptor = -1;
    try {
      await closeDescriptor(descriptor);
    } catch (error) {
      throw failed('close', this.filePath, error);
    }
  }
}

export class DiskLogFiles implements LogFiles {
  /** `directory` must exist and be this process's alone. */
  constructor(readonly directory: string) {}

  async list(): Promise<readonly string[]> {
    try {
      await syncDirectory(this.directory);
      return (await fs.promises.readdir(this.directory)).sort();
    } catch (error) {
      throw failed('list', this.directory, error);
    }
  }

  async open(name: string): Promise<LogFile> {
    const filePath = path.join(this.directory, name);
    try {
      const isNew = !fs.existsSync(filePath);
      const file = new DiskLogFile(fs.openSync(filePath, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o640), filePath, true);
      if (isNew) await syncDirectory(this.directory);
      return file;
    } catch (error) {
      throw failed('open', filePath, error);
    }
  }

  create(name: string): LogFile {
    const filePath = path.join(this.directory, name);
    try {
      const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL;
      return new DiskLogFile(fs.openSync(filePath, flags, 0o640), filePath, false);
    } catch (error) {
      throw failed('create', filePath, error);
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await fs.promises.unlink(path.join(this.directory, name));
      await syncDirectory(this.directory);
    } catch (error) {
      throw failed('remove', path.join(this.directory, name), error);
    }
  }
}

function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

function failed(action: string, filePath: string, cause: unknown): StorageError {
  return new StorageError('IO', `cannot ${action} ${filePath}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
