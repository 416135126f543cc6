/**
 * Reads the commit log back at start, in chunks, and tells a torn tail from damage.
 *
 * A crash may cut the log's end anywhere, and only there: writes are appended in order, and a segment is synced before the log
 * begins the one after its successor. So the bytes from the first bad entry to the end are a torn tail, and are cut off, if no intact
 * entry stands behind them. They may span the last segments, two of them, or more where syncs have failed, unless a durable mark in one of those
 * vouches for the ones before it. Anything else that is bad is damage: bytes that were once durable are not what was written.
 */
import { StorageError } from './engine.js';
import type { LogFile, LogFiles } from './log-files.js';
import {
  decodePosition,
  durableMarkKind,
  encodeSegmentHeader,
  entryHeaderBytes,
  entryIsIntact,
  entryPayloadBytes,
  logFormatVersion,
  segmentHeaderBytes,
  segmentName,
  segmentPosition,
  segmentVersion,
} from './log-segment.js';

/** Called for each entry in order; `payload` is borrowed until it returns. */
export type EntryVisitor = (kind: number, payload: Buffer, position: number) => void;

/** A segment that is no longer written to, with the position after its last entry. */
export interface FinishedSegment {
  readonly name: string;
  readonly firstPosition: number;
  readonly endPosition: number;
}

export interface RecoveredLog {
  readonly finished: FinishedSegment[];
  /** The segment to append to; it and the one before it are synced. */
  readonly active: { readonly name: string; readonly firstPosition: number; readonly file: LogFile };
  readonly tornBytes: number;
}

const chunkBytes = 1 << 20;

/**
 * Visits every entry from `replayFrom` on (the end of an entry, as `CommitLog.endPosition` once was), cuts a torn tail off, and
 * leaves the log synced. Segments wholly before `replayFrom` are not read. A log that ends before `replayFrom`, which happens when
 * the engine was synced and the log was not, is begun anew there. Throws StorageError: DAMAGED, NEWER_FORMAT, IO.
 */
export async function recoverLog(files: LogFiles, replayFrom: number, visit: EntryVisitor): Promise<RecoveredLog> {
  const names = (await files.list()).filter((name) => segmentPosition(name) !== undefined);
  const segments = names.map((name) => ({ name, firstPosition: segmentPosition(name) ?? 0 }));
  if (segments.length === 0) {
    if (replayFrom > 0) throw new StorageError('DAMAGED', `the commit log is gone: no segment holds position ${replayFrom}`);
    return { finished: [], active: await beginSegment(files, 0), tornBytes: 0 };
  }
  const start = segments.findLastIndex((segment) => segment.firstPosition <= replayFrom);
  if (start < 0) throw damaged(segments[0]?.name ?? '', 0, `it is the first segment, and position ${replayFrom} is before it`);

  const finished = segments.slice(0, start).map((segment, index) => ({ ...segment, endPosition: segments[index + 1]?.firstPosition ?? 0 }));
  let tornBytes = 0;
  let previous: LogFile | undefined;
  for (let index = start; ; index++) {
    const segment = segments[index];
    if (segment === undefined) throw new Error('recoverLog: ran past the last segment');
    const { name, firstPosition } = segment;
    const file = await files.open(name);
    const goodBytes = await visitSegment(file, name, firstPosition, replayFrom, visit);
    const endPosition = firstPosition + Math.max(0, goodBytes - segmentHeaderBytes);
    const next = segments[index + 1];
    if (next !== undefined && goodBytes === file.size && endPosition === next.firstPosition) {
      finished.push({ name, firstPosition, endPosition });
      await previous?.close();
      previous = file;
      continue;
    }

    await refuseEntriesBehind(file, name, firstPosition, goodBytes);
    if (next !== undefined) {
      const followers = segments.slice(index + 1);
      const isDamage = endPosition >= next.firstPosition || (await anyVouchesForItsPast(files, followers));
      if (isDamage) throw damaged(name, goodBytes, `segment ${next.name} follows, and it does not reach up to there`);
      // The last first: a crash meanwhile leaves no gap that the next start would not understand.
      for (const follower of followers.reverse()) tornBytes += await removeSegment(files, follower.name);
    }
    tornBytes += file.size - goodBytes;
    if (file.size > goodBytes) file.truncate(goodBytes);
    if (endPosition < replayFrom) {
      await file.close();
      await previous?.close();
      const fresh = await beginSegment(files, replayFrom);
      for (const { name: passed } of segments.slice(0, index + 1)) await files.remove(passed);
      return { finished: [], active: fresh, tornBytes };
    }
    if (goodBytes === 0) appendHeader(file, name, firstPosition);
    await previous?.sync();
    await previous?.close();
    await file.sync();
    return { finished, active: { name, firstPosition, file }, tornBytes };
  }
}

async function beginSegment(files: LogFiles, firstPosition: number): Promise<RecoveredLog['active']> {
  const name = segmentName(firstPosition);
  const file = await files.open(name);
  if (file.size > 0) file.truncate(0);
  appendHeader(file, name, firstPosition);
  await file.sync();
  return { name, firstPosition, file };
}

/** Begins an empty segment; throws StorageError 'IO' when the disk has no room for it. */
export function appendHeader(file: LogFile, name: string, firstPosition: number): void {
  if (file.append(encodeSegmentHeader(firstPosition)) < segmentHeaderBytes) {
    file.truncate(0);
    throw new StorageError('IO', `no room on the disk to begin ${name}`);
  }
}

async function removeSegment(files: LogFiles, name: string): Promise<number> {
  const file = await files.open(name);
  const bytes = file.size;
  await file.close();
  await files.remove(name);
  return bytes;
}

/** Visits the entries from `replayFrom` on; returns the bytes of the segment that are good, 0 when its header is not. */
async function visitSegment(file: LogFile, name: string, firstPosition: number, replayFrom: number, visit: EntryVisitor): Promise<number> {
  const version = segmentVersion(await file.read(0, segmentHeaderBytes), firstPosition);
  if (version === undefined) return 0;
  if (version > logFormatVersion) {
    throw new StorageError('NEWER_FORMAT', `${name} has format version ${version}; this program reads up to ${logFormatVersion}`);
  }
  const skippedBytes = Math.min(Math.max(0, replayFrom - firstPosition), file.size - segmentHeaderBytes);
  return visitEntries(file, firstPosition, segmentHeaderBytes + skippedBytes, (kind, payload, position) => {
    if (kind !== durableMarkKind) visit(kind, payload, position);
  });
}

/** Visits entries from `offset` until the first bad one; returns its offset, or the file's size. */
async function visitEntries(file: LogFile, firstPosition: number, offset: number, visit: EntryVisitor): Promise<number> {
  let chunk: Buffer = Buffer.alloc(0);
  let chunkStart = offset;
  while (offset < file.size) {
    if (offset - chunkStart + entryHeaderBytes > chunk.length) {
      chunk = await file.read(offset, chunkBytes);
      chunkStart = offset;
      if (chunk.length < entryHeaderBytes) return offset;
    }
    const position = firstPosition + offset - segmentHeaderBytes;
    const payloadBytes = entryPayloadBytes(chunk, offset - chunkStart, position);
    const entryBytes = entryHeaderBytes + payloadBytes;
    if (payloadBytes < 0 || offset + entryBytes > file.size) return offset;
    if (offset - chunkStart + entryBytes > chunk.length) {
      chunk = await file.read(offset, Math.max(chunkBytes, entryBytes));
      chunkStart = offset;
    }
    const at = offset - chunkStart;
    if (!entryIsIntact(chunk, at, position, payloadBytes)) return offset;
    visit(chunk.readUInt8(at + 8), chunk.subarray(at + entryHeaderBytes, at + entryBytes), position);
    offset += entryBytes;
  }
  return offset;
}

/** Throws DAMAGED when an intact entry of this log starts anywhere after the bad one at `badOffset`. */
async function refuseEntriesBehind(file: LogFile, name: string, firstPosition: number, badOffset: number): Promise<void> {
  for (let start = Math.max(badOffset + 1, segmentHeaderBytes); start + entryHeaderBytes <= file.size;) {
    const chunk = await file.read(start, chunkBytes);
    const last = chunk.length - entryHeaderBytes;
    for (let at = 0; at <= last; at++) {
      const position = firstPosition + start + at - segmentHeaderBytes;
      const payloadBytes = entryPayloadBytes(chunk, at, position);
      if (payloadBytes < 0 || start + at + entryHeaderBytes + payloadBytes > file.size) continue;
      const entry = await file.read(start + at, entryHeaderBytes + payloadBytes);
      if (entryIsIntact(entry, 0, position, payloadBytes)) {
        throw damaged(name, badOffset, `an intact entry stands behind it at offset ${start + at}`);
      }
    }
    start += last + 1;
  }
}

async function anyVouchesForItsPast(
  files: LogFiles,
  segments: readonly { readonly name: string; readonly firstPosition: number }[],
): Promise<boolean> {
  for (const segment of segments) if (await vouchesForItsPast(files, segment)) return true;
  return false;
}

/** Whether a durable mark in this segment says that everything before it was once durable. */
async function vouchesForItsPast(files: LogFiles, segment: { readonly name: string; readonly firstPosition: number }): Promise<boolean> {
  const file = await files.open(segment.name);
  try {
    if (segmentVersion(await file.read(0, segmentHeaderBytes), segment.firstPosition) === undefined) return false;
    let vouched = false;
    await visitEntries(file, segment.firstPosition, segmentHeaderBytes, (kind, payload) => {
      vouched ||= kind === durableMarkKind && decodePosition(payload, 0) >= segment.firstPosition;
    });
    return vouched;
  } finally {
    await file.close();
  }
}

function damaged(name: string, offset: number, why: string): StorageError {
  return new StorageError('DAMAGED', `the commit log is damaged in ${name} at offset ${offset}: ${why}`);
}
