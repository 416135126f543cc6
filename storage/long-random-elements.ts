/** A long reply of elements of a collection by chance: SRANDMEMBER, HRANDFIELD and ZRANDMEMBER with a large count. */
import { encodeReply } from '../protocol/resp/reply-writer.js';
import { EncodedPieces, ErrorReply } from '../protocol/resp/reply.js';
import type { Chance } from './chance.js';
import type { Collection } from './collection.js';
import { CollectionSnapshot } from './collection-snapshot.js';
import type { EntryRow } from './entry-row.js';
import { LongElements, type LongForm } from './long-elements.js';
import type { Partition } from './partition.js';

/** A reply of more is given up: with a count below 0 there is no end to what can be asked for. */
const replyBytesMost = 512 * 1024 * 1024;
const tooLong = new ErrorReply(`ERR the reply would be longer than ${replyBytesMost} bytes`);

export class LongRandomElements extends LongElements {
  /**
   * `chosen` of the entries, all different; below 0: as many as it says, each by itself, so that some may come twice. The collection is whole in memory; there are some entries, and they
   * are this reply's from now on.
   */
  constructor(
    partition: Partition,
    collection: Collection,
    private readonly entries: EntryRow,
    private readonly chosen: number,
    private readonly chance: Chance,
    form: LongForm,
    resp: 2 | 3,
  ) {
    super(partition, collection, new CollectionSnapshot(partition.table, collection, entries), form, resp);
  }

  protected override get count(): number {
    return this.chosen < 0 ? -this.chosen : Math.min(this.chosen, this.entries.length);
  }

  /** Of different ones each is drawn from those that were not drawn yet, and changes places with the first of them (Fisher and Yates). */
  protected override entryAt(at: number): number {
    const { chance, chosen, entries } = this;
    const { length } = entries;
    if (chosen < 0) return entries.at(chance.below(length));
    const drawn = at + chance.below(length - at);
    const entry = entries.at(drawn);
    entries.set(drawn, entries.at(at));
    entries.set(at, entry);
    return entry;
  }

  override slice(): EncodedPieces | undefined {
    const made = super.slice();
    if (made !== undefined || this.bytesMade <= replyBytesMost) return made;
    this.abandon();
    return new EncodedPieces([encodeReply(tooLong, this.resp)]);
  }
}
