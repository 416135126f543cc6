/**
 * What is to happen in a simulation, earliest first: a binary heap. Invariant: events leave in the order of (atMs, sequence), so
 * events of the same instant leave in the order in which they were first put in, also when they were taken out and put back.
 */
export interface QueuedEvent {
  readonly atMs: number;
  /** Unique in a run. */
  readonly sequence: number;
}

const before = (a: QueuedEvent, b: QueuedEvent): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);

export class EventQueue<E extends QueuedEvent> {
  readonly #heap: E[] = [];

  get size(): number {
    return this.#heap.length;
  }

  peek(): E | undefined {
    return this.#heap[0];
  }

  put(event: E): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as E;
      if (!before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  take(): E | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as E, heap[child] as E)) child++;
      if (!before(heap[child] as E, last)) break;
      heap[at] = heap[child] as E;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
