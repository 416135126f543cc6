/** The union, intersection or difference of large sets, made a slice a turn; or how many members the one of sorted sets has. */
import { BulkArrayWriter, headerType } from '../protocol/resp/bulk-array.js';
import { encodeReply } from '../protocol/resp/reply-writer.js';
import { EncodedPieces } from '../protocol/resp/reply.js';
import { CombinationReply } from './combination-reply.js';
import type { CombinationWalk } from './combination-walk.js';

/** Elements and look-ups of a slice, and bytes after which it ends: two or three milliseconds. */
const sliceSteps = 1500;
const sliceBytes = 256 * 1024;

const writer = new BulkArrayWriter();

export class LongCombination extends CombinationReply {
  private readonly pieces: Buffer[] = [];

  /** `isCount`: the reply is how many there are. */
  constructor(
    walk: CombinationWalk,
    private readonly isCount: boolean,
    private readonly resp: 2 | 3,
  ) {
    super(walk);
    walk.open();
  }

  protected combine(): EncodedPieces | undefined {
    writer.drop();
    const { isCount, walk } = this;
    for (let steps = 0; steps < sliceSteps && writer.length < sliceBytes && !walk.isOver;) {
      steps += walk.step();
      if (walk.hasFound && !isCount) writer.add(walk.bytes, walk.from, walk.length);
    }
    if (!isCount) this.pieces.push(writer.takePiece());
    if (!walk.isOver) return undefined;
    this.abandon();
    if (isCount) return new EncodedPieces([encodeReply(walk.found, this.resp)]);
    writer.open(this.resp === 3 ? headerType.set : headerType.array, walk.found);
    return new EncodedPieces([writer.takePiece(), ...this.pieces]);
  }
}
