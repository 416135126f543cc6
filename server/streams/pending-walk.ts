/** Joins deliveries and claims, which come in the order of their elements, to what is pending of a group. */
import type { Dot } from '../../protocol/dot.js';
import { decodeClaim, decodeDelivery, isClaim, pendingId, type Holding } from './group-elements.js';
import type { StreamId } from './stream-id.js';

/** An entry that was given to a consumer and is not acknowledged yet. */
export interface Pending extends Holding {
  readonly id: StreamId;
  readonly delivery: Dot;
}

/** What a delivery comes to beside the claim of the same id, which counts only if it is about that very delivery. */
export function pendingOfElements(element: Buffer, value: Buffer, delivery: Dot, claim: Buffer | undefined): Pending {
  const said = claim === undefined ? undefined : decodeClaim(claim);
  const isOfIt = said?.delivery.actor === delivery.actor && said.delivery.counter === delivery.counter;
  return { id: pendingId(element), delivery, ...(isOfIt ? said.holding : decodeDelivery(value)) };
}

export class PendingWalk {
  private held: { readonly element: Buffer; readonly value: Buffer; readonly dot: Dot } | undefined = undefined;

  /** `each` is called for what is pending, in the order of ids. */
  constructor(private readonly each: (pending: Pending) => void) {}

  take(element: Buffer, value: Buffer, dot: Dot): void {
    const { held } = this;
    if (!isClaim(element)) {
      this.end();
      this.held = { element, value, dot };
    } else if (held !== undefined && pendingId(held.element) === pendingId(element)) this.giveHeld(value);
    // A claim whose delivery is gone says nothing.
  }

  /** Nothing comes any more. */
  end(): void {
    this.giveHeld(undefined);
  }

  private giveHeld(claim: Buffer | undefined): void {
    const { held } = this;
    if (held === undefined) return;
    this.held = undefined;
    this.each(pendingOfElements(held.element, held.value, held.dot, claim));
  }
}
