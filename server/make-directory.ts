/**
 * Makes a directory and those above it, one by one. `mkdirSync` with `recursive` does not return where the system answers ENOENT for a directory
 * whose parent exists (/proc on Linux, with Node 20), and an unusable path has to be an error.
 */
import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** @throws the system's error, with its `code`, for the first directory that cannot be made. */
export function makeDirectory(path: string): void {
  const absolute = resolve(path);
  if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(absolute) !== absolute) makeDirectory(dirname(absolute));
  try {
    mkdirSync(absolute);
  } catch (error) {
    // Another process may have made it meanwhile; a file in its place is an error.
    if (!statSync(absolute, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
