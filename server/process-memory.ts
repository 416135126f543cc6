/** What INFO and MEMORY call the memory of this process, in bytes. */
export interface ProcessMemory {
  /** JavaScript objects and the buffers outside the heap. */
  readonly used: number;
  /** What V8 has taken for its heap. */
  readonly heapTotal: number;
  readonly rss: number;
}

export function memoryOf({ heapUsed, heapTotal, external, rss }: NodeJS.MemoryUsage): ProcessMemory {
  return { used: heapUsed + external, heapTotal: heapTotal + external, rss };
}
