/**
 * Calls that were forwarded to a peer and have no reply yet, under the ids that their replies will bear. Rows of commands in a frame bear consecutive ids
 * (frame.proto), so a call that goes in pieces of its own takes none of those: a row after it would be counted in its place.
 */
import type { Call } from './call.js';
import { IdWindow } from './id-window.js';

/** Ids of calls that go alone begin here, beyond all others, and still are exact in a double. */
const aloneFrom = 2 ** 52;

export class ForwardedCalls {
  private readonly inRows: IdWindow<Call>;
  private readonly alone: IdWindow<Call>;

  /** `firstId` is a random one, as PeerLink's are: a reply to a process that had this node's name before must not meet a call of this one. */
  constructor(firstId: number) {
    this.inRows = new IdWindow(firstId);
    this.alone = new IdWindow(aloneFrom + firstId);
  }

  get size(): number {
    return this.inRows.size + this.alone.size;
  }

  /** Returns the id, which is the one after the last. */
  put(call: Call): number {
    return this.inRows.put(call);
  }

  /** The same for a call that goes alone. */
  putAlone(call: Call): number {
    return this.alone.put(call);
  }

  /** The call, which stays; undefined when it was answered or given up. */
  get(id: number): Call | undefined {
    return this.windowOf(id).get(id);
  }

  take(id: number): Call | undefined {
    return this.windowOf(id).take(id);
  }

  /** All but those of `stay`, which go alone. */
  takeAllBut(stay: ReadonlySet<Call>): Call[] {
    const alone = this.alone.takeEvery(
      (call) => !stay.has(call),
      () => true,
    );
    return [...this.inRows.takeAll(), ...alone];
  }

  /** Those whose deadline has passed; most were sent in the order of their deadlines. */
  takeOverdue(nowMs: number): Call[] {
    const isDue = (call: Call): boolean => call.deadlineMs < nowMs;
    // Commands on whole partitions, or that move much, have more time than what was sent after them: they do not stand in its way.
    const due = this.inRows.takeEvery(isDue, ({ operation, graceMs }) => operation.wholePartition || graceMs > 0);
    if (this.alone.size > 0) due.push(...this.alone.takeEvery(isDue, () => true));
    return due;
  }

  private windowOf(id: number): IdWindow<Call> {
    return id < aloneFrom ? this.inRows : this.alone;
  }
}
