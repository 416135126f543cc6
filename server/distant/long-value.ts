/** A value as it is brought to another partition, whose content is made over several turns: an array of bulk strings, of which the content is the last. */
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { LongReply } from '../../protocol/resp/long-reply.js';
import { EncodedPieces } from '../../protocol/resp/reply.js';

const lineEnd = Buffer.from('\r\n');

export class LongValue extends LongReply<EncodedPieces> {
  private content: readonly Buffer[] = [];

  /** `head`: the bulk strings before the content. */
  constructor(
    private readonly head: readonly Buffer[],
    private readonly making: LongReply<EncodedPieces>,
  ) {
    super();
    making.whenWhole(({ pieces }) => (this.content = pieces));
  }

  abandon(): void {
    this.making.abandon();
  }

  slice(): EncodedPieces | undefined {
    if (!this.making.proceed()) return undefined;
    const { content, head } = this;
    const bytes = content.reduce((sum, { length }) => sum + length, 0);
    const before = [Buffer.from(`*${head.length + 1}\r\n`), ...head.map((each) => encodeReply(each, 2)), Buffer.from(`$${bytes}\r\n`)];
    return new EncodedPieces([...before, ...content, lineEnd]);
  }
}
