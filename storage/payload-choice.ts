/**
 * When two replicas hold other bytes under the same dot. No write does that: a disk or memory has changed something. Merging goes by dots and
 * sees no difference, so this is what repair goes by instead (docs/decisions, "Other bytes under one dot"): the bytes that most of the home
 * replicas hold; where no majority can be had though all were asked, those that sort last. A node replaces only its own copy.
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { emptyClock, encodeRecord, type Version, type VersionedRecord } from '../protocol/record.js';

/** `theirs` holds other bytes than `mine` under a dot that both have. */
export function payloadsDiffer(mine: VersionedRecord, theirs: VersionedRecord): boolean {
  return mine.versions.some((version) => {
    const other = sameDotIn(theirs, version);
    return other !== undefined && !bytesOf(version).equals(bytesOf(other));
  });
}

/** `record` with the payloads that `source` has under the same dots. */
export function withPayloadsOf(record: VersionedRecord, source: VersionedRecord): VersionedRecord {
  return { context: record.context, versions: record.versions.map((version) => sameDotIn(source, version) ?? version) };
}

/**
 * What `own` has to become; undefined = it stays, or cannot be decided until more replicas answer. `others` are the records of those that answered, of
 * `homes` replicas in all, this one included.
 */
export function chosenPayloads(own: VersionedRecord, others: readonly VersionedRecord[], homes: number): VersionedRecord | undefined {
  let changed = false;
  const versions = own.versions.map((version) => {
    const chosen = chosenVersion(version, others, homes);
    if (chosen !== version) changed = true;
    return chosen;
  });
  return changed ? { context: own.context, versions } : undefined;
}

function chosenVersion(own: Version, others: readonly VersionedRecord[], homes: number): Version {
  const holders = [own, ...others.flatMap((record) => sameDotIn(record, own) ?? [])];
  const candidates: { readonly version: Version; readonly bytes: Buffer; votes: number }[] = [];
  for (const version of holders) {
    const bytes = bytesOf(version);
    const known = candidates.find((candidate) => candidate.bytes.equals(bytes));
    if (known === undefined) candidates.push({ version, bytes, votes: 1 });
    else known.votes++;
  }
  candidates.sort((x, y) => y.votes - x.votes || Buffer.compare(y.bytes, x.bytes));
  const [first] = candidates;
  if (first === undefined || (first.votes * 2 <= homes && holders.length < homes)) return own;
  return first.version;
}

function sameDotIn({ versions }: VersionedRecord, { actor, counter }: Version): Version | undefined {
  return versions.find((version) => version.actor === actor && version.counter === counter);
}

function bytesOf(version: Version): Buffer {
  const writer = new ByteWriter(64);
  encodeRecord(writer, { context: emptyClock, versions: [version] });
  return writer.take();
}
