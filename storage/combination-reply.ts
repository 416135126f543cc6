/** A long reply of what collections come to together: until it is made, or nobody wants it any more, they stay as they are. */
import { LongReply } from '../protocol/resp/long-reply.js';
import type { EncodedPieces } from '../protocol/resp/reply.js';
import type { CombinationWalk } from './combination-walk.js';

/** Elements that a slice makes ready to be found. */
const preparedMost = 5000;

export abstract class CombinationReply extends LongReply<EncodedPieces> {
  private isPrepared = false;

  constructor(protected readonly walk: CombinationWalk) {
    super();
  }

  /** Whoever makes the last slice calls it, too. */
  abandon(): void {
    this.walk.close();
  }

  slice(): EncodedPieces | undefined {
    if (this.isPrepared) return this.combine();
    this.isPrepared = this.walk.prepare(preparedMost);
    return undefined;
  }

  /** The next slice, once the walk can be gone. */
  protected abstract combine(): EncodedPieces | undefined;
}
