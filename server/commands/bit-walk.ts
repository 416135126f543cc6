/** Going through the bits of a string, of a long one a part a turn: half a gigabyte is a second of the processor. */
import { LongReply } from '../../protocol/resp/long-reply.js';
import { EncodedPieces, type Reply } from '../../protocol/resp/reply.js';

/** A range of bits, both ends inclusive. */
export interface BitRange {
  readonly first: number;
  readonly last: number;
}

/** Bits of a part, a mebibyte: a millisecond or two. */
const partBits = 8 * 1024 * 1024;

/** `visit` gets one part of the range after the other, until it has the answer or there is none left: then `otherwise` is the answer. */
export function walkBits(range: BitRange, visit: (part: BitRange) => number | undefined, otherwise: () => number): Reply {
  return range.last - range.first < partBits ? (visit(range) ?? otherwise()) : new BitWalk(range, visit, otherwise);
}

class BitWalk extends LongReply<EncodedPieces> {
  private at: number;

  constructor(
    private readonly range: BitRange,
    private readonly visit: (part: BitRange) => number | undefined,
    private readonly otherwise: () => number,
  ) {
    super();
    this.at = range.first;
  }

  abandon(): void {
    // It holds nothing but bytes that are never written to.
  }

  slice(): EncodedPieces | undefined {
    const first = this.at;
    const last = Math.min(this.range.last, first + partBits - 1);
    this.at = last + 1;
    const answer = this.visit({ first, last }) ?? (last === this.range.last ? this.otherwise() : undefined);
    return answer === undefined ? undefined : new EncodedPieces([Buffer.from(`:${answer}\r\n`, 'latin1')]);
  }
}
