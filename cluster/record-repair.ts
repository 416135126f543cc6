/**
 * Records that trees found to differ, on their way between two replicas: each side sends what the other has not, with its `seen`, and takes what it
 * is sent by the rule for a peer's records. Where the two hold other bytes under one dot, merging sees no difference, and all home replicas are asked
 * (storage/payload-choice.ts).
 */
import { torc } from '../protocol/generated/messages.js';
import { decodeRecord, encodeRecord, type VersionedRecord } from '../protocol/record.js';
import { decodeRecordKey } from '../protocol/record-key.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { noEntry } from '../storage/key-table.js';
import { emptyRecord, recordVersion } from '../storage/merge.js';
import { clockBytes } from '../storage/partition-clocks.js';
import type { Partition } from '../storage/partition.js';
import { chosenPayloads, payloadsDiffer } from '../storage/payload-choice.js';
import type { Store } from '../storage/store.js';
import type { EventLog } from './events.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import type { Reader } from './reader.js';
import type { RepairPace } from './repair-pace.js';
import type { TreeQuestions } from './tree-questions.js';
import type { Turn } from './turn.js';

/** Bytes of records in one question. */
const pieceBytes = 256 * 1024;
const pieceRecords = 500;
/** How long other replicas are waited for before a choice between payloads is left to a later comparison. */
const choiceMs = 1000;

/** What question 4 is: records to be taken. */
export const recordsLevel = 4;

export interface RecordRepairOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly reader: Reader;
  readonly turn: Turn;
  readonly pace: RepairPace;
  readonly questions: TreeQuestions;
  readonly log: EventLog;
}

export class RecordRepair {
  /** Records sent to peers. */
  sent = 0;
  /** Records that were new here, or held more than this replica had. */
  taken = 0;
  /** Copies that were replaced because most replicas hold other bytes under the same dot. */
  replaced = 0;

  constructor(private readonly options: RecordRepairOptions) {}

  /** Sends the records of these keys as they are now. False = the peer did not take all of them. `keys` are record keys. */
  async push(peer: Peer, number: number, keys: readonly Buffer[]): Promise<boolean> {
    const { store, membership, pace, questions } = this.options;
    const partition = store.partition(number);
    let complete = true;
    for (let at = 0; at < keys.length;) {
      const seen = clockBytes(partition.seen); // before the records are read: what is forgotten meanwhile it does not speak of
      const key: Buffer[] = [];
      const record: Buffer[] = [];
      let bytes = 0;
      while (at < keys.length && bytes < pieceBytes && key.length < pieceRecords) {
        const next = keys[at++] as Buffer;
        const held = await this.load(partition, next);
        if (held === undefined) continue;
        const encoded = encodedRecord(held);
        key.push(next);
        record.push(encoded);
        bytes += next.length + encoded.length;
      }
      if (key.length === 0) continue;
      await pace.spend(bytes);
      const answer = await questions.ask(peer, {
        level: recordsLevel,
        configurationNumber: membership.configuration?.number ?? 0,
        records: { partition: number, key, record, seen },
      });
      if (answer === undefined || answer.refusal !== '') return false;
      this.sent += key.length;
      if (!answer.taken) complete = false;
    }
    return complete;
  }

  /** Takes records from a peer. Rejects with FormatError when they are malformed. */
  async take({ partition: number, key, record, seen }: torc.Transfer): Promise<{ readonly changed: number; readonly taken: boolean }> {
    const { store } = this.options;
    const partition = store.partition(number);
    const keys = key.map((bytes) => bytes as Buffer);
    const theirs = keys.map((_, i) => decodeRecord((record[i] ?? Buffer.alloc(0)) as Buffer));
    partition.pins++; // what is loaded stays until it was merged with
    try {
      for (const one of keys) await this.load(partition, one);
      const before = keys.map((one) => this.held(partition, one));
      const differing = keys.filter((_, i) => payloadsDiffer(before[i] ?? emptyRecord, theirs[i] ?? emptyRecord));
      const taken = await this.apply(torc.Transfer.create({ partition: number, key: keys, record, seen }));
      const changed = keys.filter((one, i) => !recordVersion(this.held(partition, one)).equals(recordVersion(before[i]))).length;
      this.taken += changed;
      for (const one of differing) await this.choose(partition, one);
      return { changed: changed + differing.length, taken };
    } finally {
      partition.pins--;
    }
  }

  /** A large one comes to the log over several turns. Rejects with FormatError. */
  private apply(transfer: torc.Transfer): Promise<boolean> {
    const { store, turn } = this.options;
    return new Promise((resolve, reject) => {
      store.prepareTransfers([transfer], () => {
        try {
          resolve(store.applyTransfer(transfer));
          turn.schedule();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  /** Replaces this replica's payloads where most others hold other bytes. */
  private async choose(partition: Partition, recordKey: Buffer): Promise<void> {
    const { store, membership, reader, turn, log } = this.options;
    const { key } = decodeRecordKey(recordKey);
    const others = membership.otherHomes(partition.number);
    const answers = await Promise.all(others.map((peer) => reader.inspect(peer, recordKey, choiceMs)));
    const records = answers.flatMap((transfer) => {
      const bytes = transfer?.record[0];
      return bytes === undefined ? [] : [decodeRecord(bytes as Buffer)];
    });
    const own = await this.load(partition, recordKey);
    if (own === undefined) return;
    const where = `key '${key.toString('latin1')}' of partition ${partition.number}`;
    const chosen = chosenPayloads(own, records, others.length + 1);
    if (chosen === undefined) {
      const unanimous = records.every((record) => !payloadsDiffer(own, record));
      if (!unanimous)
        log('warn', `${where}: another replica holds other bytes under the same dot; this one's copy stays`, {
          event: 'payload-differs',
          partition: partition.number,
        });
      return;
    }
    const { number } = partition;
    store.applyTransfer({ partition: number, key: [recordKey], record: [encodedRecord(chosen)], seen: clockBytes(partition.seen) }, true);
    turn.schedule();
    this.replaced++;
    log(
      'warn',
      `${where}: its copy was damaged here, as the other replicas hold other bytes under the same dot; it was replaced by theirs`,
      { event: 'payload-replaced', partition: number },
    );
  }

  /** This replica's record, read from the engine if need be. */
  private async load(partition: Partition, encodedKey: Buffer): Promise<VersionedRecord | undefined> {
    const recordKey = decodeRecordKey(encodedKey);
    if (!partition.isRecordLoaded(recordKey)) {
      const { store, turn } = this.options;
      await new Promise<void>((resolve) => {
        store.loader.loadRecord(partition, recordKey, resolve);
        turn.schedule();
      });
    }
    return this.held(partition, encodedKey);
  }

  private held(partition: Partition, encodedKey: Buffer): VersionedRecord | undefined {
    const entry = partition.findRecord(decodeRecordKey(encodedKey));
    return entry === noEntry ? undefined : partition.recordOf(entry);
  }
}

function encodedRecord(record: VersionedRecord): Buffer {
  const writer = new ByteWriter(64);
  encodeRecord(writer, record);
  return writer.take();
}
