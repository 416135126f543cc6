/**
 * What the commit log holds and the engine does not yet: as much has to stay in memory, and is replayed by a start. Where the disk takes writes more slowly than clients make them, it would grow for as
 * long as they do. So writes are the slower the more of it there is, and beyond `write-backlog-max` none are taken.
 */

/** Parts of the most: from one a round of writing begins, from the next writes are slowed. */
const roundPart = 1 / 6;
const slowPart = 1 / 3;
/** Of the delay: where it begins, and before the most is reached. */
const delayMs = { least: 1, most: 1000 } as const;

export const writeBacklogMaxDefault = 768 * 1024 * 1024;

/** Whether so many bytes of backlog are to be written to the engine. */
export const isRoundDue = (bytes: number, bytesMax: number): boolean => bytes > roundPart * bytesMax;

/** How long a turn's writes wait for those of the turn before, ms: 0 where the engine keeps up. It grows by the same factor with each byte, so that writes come to be as fast as the disk is. */
export function writeDelayMs(bytes: number, bytesMax: number): number {
  const over = (bytes / bytesMax - slowPart) / (1 - slowPart);
  return over <= 0 ? 0 : Math.min(delayMs.most, delayMs.least * (delayMs.most / delayMs.least) ** over);
}

/** Whether no writes are to be taken, given whether that was so: until writes would not even be slowed. */
export const isBehind = (bytes: number, bytesMax: number, was: boolean): boolean => bytes > (was ? slowPart : 1) * bytesMax;
