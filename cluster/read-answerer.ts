/** What this home replica answers to peers that read (reader.ts): whether their versions are its own, and where they are not its record, or that it has other contents. */
import type { torc } from '../protocol/generated/messages.js';
import { ByteReader } from '../protocol/byte-reader.js';
import { questionActor, ReadRow, readRead } from '../protocol/peer/packed-rows.js';
import { recordPart } from '../protocol/record-key.js';
import type { Collection } from '../storage/collection.js';
import { noEntry } from '../storage/key-table.js';
import { recordVersion } from '../storage/merge.js';
import type { Partition } from '../storage/partition.js';
import type { Store } from '../storage/store.js';
import type { Comparison } from './comparison.js';
import { isAgreed, noVersion, readQuestion } from './key-questions.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import { beginRequest, contextsById, type Tracer } from './tracing.js';
import type { Turn } from './turn.js';

export interface ReadAnswererOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly comparison: Comparison;
  readonly turn: Turn;
  /** What this replica has of the partition may not be all that it should have. */
  readonly isDoubtful: (partition: number) => boolean;
  readonly tracer: Tracer | undefined;
}

export class ReadAnswerer {
  private readonly row = new ReadRow();

  constructor(private readonly options: ReadAnswererOptions) {}

  /** A peer compares its versions with this replica's. Throws FormatError. */
  onReads(peer: Peer, reads: torc.Reads): void {
    const { store, membership } = this.options;
    const partitions = membership.configuration?.partitions ?? 1;
    const bytes = reads.rows as Buffer;
    const reader = new ByteReader(bytes);
    const { row } = this;
    this.trace(peer, reads);
    for (let id = reads.firstId; reader.remaining > 0; id++) {
      readRead(reader, row);
      const { slot, actor, counter, keyAt, keyLength, token } = row;
      const partition = store.partition(Math.floor((slot * partitions) / 16384));
      if (actor === questionActor) {
        this.onQuestion(peer, id, partition, slot, Buffer.from(bytes.subarray(keyAt, keyAt + keyLength)), Buffer.from(token ?? noVersion));
        continue;
      }
      const entry = partition.find(bytes, keyAt, keyLength);
      if (entry === noEntry ? partition.resident : store.table.isComplete(entry))
        this.answerRead(peer, id, partition, entry, actor, counter, token);
      else {
        const kept = token === undefined ? undefined : Buffer.from(token);
        const key = Buffer.from(bytes.subarray(keyAt, keyAt + keyLength));
        store.loader.load(partition, key, slot, () => this.answerRead(peer, id, partition, partition.find(key), actor, counter, kept));
        this.options.turn.schedule();
      }
    }
  }

  /** Each of the peer's traced questions is a span here, until it is answered. */
  private trace({ link }: Peer, { traces }: torc.Reads): void {
    const { tracer } = this.options;
    const contexts = tracer === undefined ? undefined : contextsById(traces);
    if (tracer === undefined || contexts === undefined) return;
    for (const [id, context] of contexts) link.answersWithin(id, beginRequest(tracer, 'torc.peer/compare', context));
  }

  /** A peer asks about a key's collections. What it is about is loaded first. */
  private onQuestion(peer: Peer, id: number, partition: Partition, slot: number, key: Buffer, bytes: Buffer): void {
    const { store, turn, comparison, isDoubtful } = this.options;
    const { loader } = store;
    const question = readQuestion(bytes);
    const answer = (): void => {
      if (isDoubtful(partition.number)) peer.link.answerDoubtful(id);
      else if (question?.kind === 'record') {
        const entry = partition.findRecord({ slot, key, type: question.type, part: question.part, element: question.element });
        peer.link.answerDifferent(id, comparison.recordTransfer(partition, entry));
      } else if (question !== undefined && isAgreed(partition, key, question)) peer.link.answerEqual(id);
      else this.answerOtherwise(peer, id, partition);
    };
    if (question === undefined) return answer();
    if (question.kind === 'record') {
      const recordKey = { slot, key, type: question.type, part: question.part, element: question.element };
      if (partition.isRecordLoaded(recordKey)) return answer();
      loader.loadRecord(partition, recordKey, answer);
      turn.schedule();
      return;
    }
    if (!partition.isLoaded(key)) {
      loader.load(partition, key, slot, () => this.onQuestion(peer, id, partition, slot, key, bytes));
      turn.schedule();
      return;
    }
    const owner = partition.find(key);
    const collection = owner === noEntry || question.kind === 'whole' ? undefined : partition.collections.get(owner, question.type);
    const elements = question.kind === 'whole' || collection === undefined ? [] : question.elements;
    const missing = elements.filter((element) => {
      const entry = partition.collections.find(collection as Collection, recordPart.element, element);
      return entry === noEntry ? collection?.whole === false : !partition.table.isComplete(entry);
    });
    if (missing.length === 0) return answer();
    loader.loadElements(partition, collection as Collection, missing, answer);
  }

  /** What this replica has of the key's collections is not what the asker has. */
  private answerOtherwise(peer: Peer, id: number, partition: Partition): void {
    peer.link.answerDifferent(id, { ...this.options.comparison.recordTransfer(partition, noEntry), collections: true });
  }

  private answerRead(
    peer: Peer,
    id: number,
    partition: Partition,
    entry: number,
    actor: number,
    counter: number,
    token: Buffer | undefined,
  ): void {
    if (this.options.isDoubtful(partition.number)) return peer.link.answerDoubtful(id);
    const { table } = this.options.store;
    const has = entry !== noEntry && table.hasRecord(entry);
    if (
      entry !== noEntry &&
      table.hasParts(entry) &&
      token?.equals(noVersion) !== true &&
      partition.collections.of(entry).some(({ mayLive }) => mayLive)
    )
      return this.answerOtherwise(peer, id, partition);
    let isSame = !has && token === undefined && actor === 0;
    if (has && token !== undefined) isSame = recordVersion(table.recordOf(entry)).equals(token);
    else if (has && table.isSingle(entry)) isSame = table.actorOf(entry) === actor && table.counterOf(entry) === counter;
    if (isSame) return peer.link.answerEqual(id);
    // It may be the very record that is on its way; and many reads of it must not each ask for it.
    if (has && peer.link.isSendingLarge && peer.link.isLarge(table.valueLengthOf(entry))) return peer.link.answerDoubtful(id);
    peer.link.answerDifferent(id, this.options.comparison.recordTransfer(partition, entry));
  }
}
