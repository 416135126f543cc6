/**
 * A node's directory: `torc.json` says whose it is and how its last process ended, `log/` holds the commit log and `rocksdb/` the
 * engine, whose lock keeps a second process out. Invariant: `torc.json` is replaced whole or not at all, and nothing is written
 * before the lock is held.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Durability } from './commit-log.js';
import { StorageError } from './engine.js';
import { DiskLogFiles, syncDirectory } from './file-log-files.js';
import { RocksdbEngine, type RocksdbOptions } from './rocksdb-engine.js';

/** Of what is written. 2: large records lie in the engine in pieces (pieced-engine.ts). */
const directoryFormatVersion = 2;
/** All up to this one's are read. */
const oldestFormatVersion = 1;

/** The largest life: 16 bits of an actor. */
export const lifeMax = 0xffff;

/** What `torc.json` says. */
export interface NodeRecord {
  readonly nodeId: string;
  /** 1..65535. */
  readonly life: number;
  /** Which start of the operating system wrote it; empty when that cannot be told. */
  readonly bootId: string;
  /** How strictly the process that wrote it synced its log. */
  readonly durability: Durability;
  /** Written last of all by a process that had synced everything. */
  readonly cleanStop: boolean;
}

export class DataDirectory {
  private constructor(
    readonly directory: string,
    /** As the last process left it; undefined in a new directory. */
    readonly previous: NodeRecord | undefined,
    readonly engine: RocksdbEngine,
    readonly logFiles: DiskLogFiles,
  ) {}

  /**
   * Opens or creates the directory and locks it. Rejects with StorageError: NOT_WRITABLE, LOCKED, NEWER_FORMAT naming both versions,
   * DAMAGED, IO.
   */
  static async open(directory: string, engineOptions?: RocksdbOptions): Promise<DataDirectory> {
    const logDirectory = path.join(directory, 'log');
    try {
      await fs.promises.mkdir(logDirectory, { recursive: true, mode: 0o750 });
      await fs.promises.access(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
      await fs.promises.access(logDirectory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
    } catch (error) {
      throw new StorageError('NOT_WRITABLE', `the data directory ${directory} cannot be written: ${messageOf(error)}`, { cause: error });
    }
    readNodeRecord(directory); // Refuses a newer format before RocksDB touches anything.
    const engine = await RocksdbEngine.open(path.join(directory, 'rocksdb'), engineOptions);
    try {
      const previous = readNodeRecord(directory);
      await syncDirectory(directory);
      await syncDirectory(path.dirname(path.resolve(directory)));
      return new DataDirectory(directory, previous, engine, new DiskLogFiles(logDirectory));
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Durable when it resolves; calls must not overlap. Rejects with StorageError 'IO'. */
  async write(record: NodeRecord): Promise<void> {
    const target = recordPath(this.directory);
    const temporary = `${target}.new`;
    try {
      const handle = await fs.promises.open(temporary, 'w', 0o640);
      try {
        await handle.writeFile(`${JSON.stringify({ formatVersion: directoryFormatVersion, ...record }, undefined, 2)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await fs.promises.rename(temporary, target);
      await syncDirectory(this.directory);
    } catch (error) {
      throw new StorageError('IO', `cannot write ${target}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Lets the lock go. Close the commit log first. */
  close(): Promise<void> {
    return this.engine.close();
  }
}

/** Why a node keeps its life or begins a new one. */
export type LifeReason = 'new directory' | 'log damaged' | 'clean stop' | 'same boot' | 'durability always' | 'writes may be lost';

export interface LifeQuestion {
  /** What the last process wrote; undefined in a new directory. */
  readonly previous: NodeRecord | undefined;
  /** Of now; empty when it cannot be told, and then it is never the same. */
  readonly bootId: string;
  /** The commit log was damaged before its tail. */
  readonly logDamaged: boolean;
}

/**
 * The life to go on in: the last one if this node can prove that it kept all it wrote in it (ARCHITECTURE.md, "actor"), else the
 * next. After a loss of power under `durability always`, of the last process's mode, it kept all that it acknowledged and is not doubtful; but a batch leaves
 * for the peers before the own disk has it, so they may have seen more of the old life. Throws RangeError past the 65535th life.
 */
export function nextLife({ previous, bootId, logDamaged }: LifeQuestion): { readonly life: number; readonly reason: LifeReason } {
  if (previous === undefined) return { life: 1, reason: 'new directory' };
  const { life } = previous;
  if (logDamaged) return { life: lifeAfter(life), reason: 'log damaged' };
  if (previous.cleanStop) return { life, reason: 'clean stop' };
  if (bootId !== '' && bootId === previous.bootId) return { life, reason: 'same boot' };
  if (previous.durability === 'always') return { life: lifeAfter(life), reason: 'durability always' };
  return { life: lifeAfter(life), reason: 'writes may be lost' };
}

function lifeAfter(life: number): number {
  if (life >= lifeMax) throw new RangeError(`this node has had all its ${lifeMax} lives; give it a new member number`);
  return life + 1;
}

/** The record in a directory; undefined when there is none. Throws StorageError: NEWER_FORMAT, DAMAGED, NOT_WRITABLE. */
export function readNodeRecord(directory: string): NodeRecord | undefined {
  const source = recordPath(directory);
  let text: string;
  try {
    text = fs.readFileSync(source, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new StorageError('NOT_WRITABLE', `cannot read ${source}: ${messageOf(error)}`, { cause: error });
  }
  const fields = parseObject(text, source);
  const version = fields.get('formatVersion');
  if (typeof version === 'number' && version > directoryFormatVersion) {
    throw new StorageError('NEWER_FORMAT', `${source} has format version ${version}; this program reads up to ${directoryFormatVersion}`);
  }
  const nodeId = fields.get('nodeId');
  const life = fields.get('life');
  const bootId = fields.get('bootId');
  const durability = fields.get('durability');
  const cleanStop = fields.get('cleanStop');
  if (
    typeof version !== 'number' ||
    !Number.isInteger(version) ||
    version < oldestFormatVersion ||
    typeof nodeId !== 'string' ||
    typeof life !== 'number' ||
    !Number.isInteger(life) ||
    life < 1 ||
    life > lifeMax ||
    typeof bootId !== 'string' ||
    (durability !== 'always' && durability !== 'everysec' && durability !== 'os') ||
    typeof cleanStop !== 'boolean'
  ) {
    throw new StorageError('DAMAGED', `${source} lacks a field or has one that makes no sense`);
  }
  return { nodeId, life, bootId, durability, cleanStop };
}

function parseObject(text: string, source: string): Map<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return new Map<string, unknown>(Object.entries(value));
  } catch (error) {
    throw new StorageError('DAMAGED', `${source} is not JSON: ${messageOf(error)}`, { cause: error });
  }
  throw new StorageError('DAMAGED', `${source} is not a JSON object`);
}

function recordPath(directory: string): string {
  return path.join(directory, 'torc.json');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
