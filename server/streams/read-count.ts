/**
 * How many entries a group has read, of all that were ever added: Redis' logical counter (t_stream.c, streamEstimateDistanceFromFirstEverEntry). It is counted on while
 * nothing was deleted ahead, told from the ends of the stream where that is possible, and else unknown.
 */
import { idMax, type StreamId } from './stream-id.js';
import type { Mark, Stream } from './stream.js';

/** Whether entries were deleted from this id on. */
const hasDeletedFrom = (stream: Stream, { greatestDeletedId }: Mark, id: StreamId): boolean =>
  greatestDeletedId > 0n && id <= greatestDeletedId && stream.length > 0;

/** Of a group that has read all up to this id; undefined = nobody knows. */
function countUpTo(stream: Stream, id: StreamId): number | undefined {
  const { entriesAdded, length, mark } = stream;
  if (entriesAdded === 0) return 0;
  if (length === 0 && id <= mark.lastId) return entriesAdded;
  if (id !== 0n && id < mark.greatestDeletedId) return undefined;
  if (id >= mark.lastId) return id === mark.lastId ? entriesAdded : undefined;
  const [first] = stream.entries(0n, idMax, 1);
  const firstId = first?.id ?? 0n;
  if (mark.greatestDeletedId !== 0n && mark.greatestDeletedId >= firstId) return undefined;
  if (id < firstId) return entriesAdded - length;
  return id === firstId ? entriesAdded - length + 1 : undefined;
}

/** What is left to read for a group that has read up to this id; undefined = nobody knows. */
export function lagOf(stream: Stream, lastId: StreamId, entriesRead: number | undefined): number | undefined {
  const { entriesAdded } = stream;
  if (entriesAdded === 0) return 0;
  const count = entriesRead !== undefined && !hasDeletedFrom(stream, stream.mark, lastId) ? entriesRead : countUpTo(stream, lastId);
  return count === undefined ? undefined : entriesAdded - count;
}

/** The group's count after it was given these entries, in order; `lastId`: what it had read up to. */
export function countAfter(
  stream: Stream,
  lastId: StreamId,
  entriesRead: number | undefined,
  ids: readonly StreamId[],
): number | undefined {
  const { mark } = stream;
  let count = entriesRead;
  for (const id of ids) {
    if (count !== undefined && (id <= lastId || !hasDeletedFrom(stream, mark, id))) count++;
    else if (id > lastId) count = countUpTo(stream, id);
  }
  return count;
}
