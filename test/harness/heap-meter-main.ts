/**
 * Loaded into a server before its own program (`node --expose-gc --import`): on SIGUSR2 it collects all garbage and writes what V8 and the Buffers still
 * hold to the file that TORC_HEAP_METER names. What grows from one look to the next is a leak.
 */
import { writeFileSync } from 'node:fs';

export interface HeapFigures {
  /** Bytes of objects, and of Buffers outside V8's heap. */
  readonly heldBytes: number;
  readonly residentBytes: number;
}

const resultFile = process.env['TORC_HEAP_METER'] ?? '';

process.on('SIGUSR2', () => {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('the server was started without --expose-gc');
  gc();
  gc(); // the memory of Buffers that the first one found dead is given back by then
  const { heapUsed, external, rss } = process.memoryUsage();
  const figures: HeapFigures = { heldBytes: heapUsed + external, residentBytes: rss };
  writeFileSync(resultFile, JSON.stringify(figures));
});
