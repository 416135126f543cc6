/**
 * Calls that wait, oldest first. Taking the first costs the same however many wait: an array's own `shift` moves all others, from some 16,000 of them on.
 */
import type { Call } from './call.js';

/** Places before the first that are kept before the array is cut. */
const slackMax = 1024;

export class CallQueue {
  /** Those before `head` were taken. */
  private calls: (Call | undefined)[] = [];
  private head = 0;

  get length(): number {
    return this.calls.length - this.head;
  }

  /** The call that has waited longest. */
  get first(): Call | undefined {
    return this.calls[this.head];
  }

  push(call: Call): void {
    this.calls.push(call);
  }

  /** Before all others. */
  putFirst(call: Call): void {
    if (this.head > 0) this.calls[--this.head] = call;
    else this.calls.unshift(call);
  }

  /** Before all others, in their order. */
  putAllFirst(calls: readonly Call[]): void {
    if (calls.length === 0) return;
    this.calls = [...calls, ...this];
    this.head = 0;
  }

  /** Where it stands by its place: nearly always before all others, or behind them. */
  insert(call: Call): void {
    const { first } = this;
    if (first === undefined || (this.calls.at(-1)?.place ?? 0) < call.place) return this.push(call);
    if (call.place < first.place) return this.putFirst(call);
    const at = this.calls.findIndex((each) => each !== undefined && each.place > call.place);
    this.calls.splice(at, 0, call);
  }

  /** The same of many, which are in the order of their places. */
  insertAll(calls: readonly Call[]): void {
    const all: Call[] = [];
    let next = 0;
    for (const waiting of this) {
      for (let call = calls[next]; call !== undefined && call.place < waiting.place; call = calls[++next]) all.push(call);
      all.push(waiting);
    }
    for (let call = calls[next]; call !== undefined; call = calls[++next]) all.push(call);
    this.calls = all;
    this.head = 0;
  }

  takeFirst(): void {
    if (this.head === this.calls.length) return;
    this.calls[this.head++] = undefined;
    // What is cut is at least as much as is kept and moved.
    if (this.head === this.calls.length || (this.head > slackMax && 2 * this.head > this.calls.length)) {
      this.calls = this.calls.slice(this.head);
      this.head = 0;
    }
  }

  /** Takes out the calls that `isDue` names, in order. */
  takeEvery(isDue: (call: Call) => boolean): Call[] {
    const due: Call[] = [];
    const left: Call[] = [];
    for (const call of this) (isDue(call) ? due : left).push(call);
    if (due.length > 0) {
      this.calls = left;
      this.head = 0;
    }
    return due;
  }

  takeAll(): Call[] {
    return this.takeEvery(() => true);
  }

  *[Symbol.iterator](): Generator<Call> {
    for (let i = this.head; i < this.calls.length; i++) yield this.calls[i] as Call;
  }
}
