/** A living sorted set as one command sees it: its members in order beside what every collection shows. */
import type { Reply } from '../protocol/resp/reply.js';
import { CollectionReader } from './collection-reader.js';
import { OrderedSnapshot } from './collection-snapshot.js';
import { longElements } from './long-elements.js';
import type { ScoredMember, SortedView } from './execution.js';
import { noEntry } from './key-table.js';
import { recordPart } from '../protocol/record-key.js';
import { decodeScore } from './score-value.js';
import { ScoreIndex } from './score-index.js';

/** Members put in order by the command that needs it; of a larger set the rest before it runs again. */
const orderedAtOnce = 256;

const inOrder = (x: ScoredMember, y: ScoredMember): number =>
  x.score === y.score ? Buffer.compare(x.member, y.member) : x.score - y.score < 0 ? -1 : 1;

/** How many of an ordered row are at its beginning of which this holds. */
function countWhile(row: readonly ScoredMember[], holds: (each: ScoredMember) => boolean): number {
  let [low, high] = [0, row.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(row[middle] as ScoredMember)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class SortedReader extends CollectionReader implements SortedView {
  /** Of a set that the command itself has changed: all of it, in order. */
  private row: readonly ScoredMember[] | undefined = undefined;

  scoreOf(member: Buffer): number | undefined {
    const bytes = this.get(member);
    return bytes === undefined ? undefined : decodeScore(bytes);
  }

  rankOf(member: Buffer): number | undefined {
    if (!this.isOrdered()) return undefined;
    const { row } = this;
    if (row !== undefined) {
      const at = row.findIndex((each) => each.member.equals(member));
      return at < 0 ? undefined : at;
    }
    const { collection, partition } = this;
    const entry = partition.collections.find(collection, recordPart.element, member);
    if (entry === noEntry || !partition.table.isAlive(entry)) return undefined;
    return this.index.rankOf(entry);
  }

  countToScore(score: number, orEqual: boolean): number {
    if (!this.isOrdered()) return 0;
    const holds = (other: number): boolean => other < score || (orEqual && other === score);
    if (this.row !== undefined) return countWhile(this.row, (each) => holds(each.score));
    return this.index.countWhile((_, other) => holds(other));
  }

  countToMember(member: Buffer, orEqual: boolean): number {
    if (!this.isOrdered()) return 0;
    const holds = (order: number): boolean => order < 0 || (orEqual && order === 0);
    if (this.row !== undefined) return countWhile(this.row, (each) => holds(Buffer.compare(each.member, member)));
    const { table } = this.partition;
    return this.index.countWhile((entry) => holds(table.compareKeyTo(entry, member)));
  }

  slice(from: number, to: number): ScoredMember[] {
    if (!this.isOrdered()) return [];
    if (this.row !== undefined) return this.row.slice(from, to);
    const { table } = this.partition;
    const found: ScoredMember[] = [];
    this.index.forEach(from, to, (entry, score) => found.push({ member: table.keyBytes(entry), score }));
    return found;
  }

  longSlice(from: number, to: number, withScores: boolean, isReverse: boolean): Reply | undefined {
    if (!this.isOrdered() || this.row !== undefined) return undefined;
    const [first, last] = [Math.max(0, from), Math.min(to, this.index.size)];
    if (last - first < longElements) return undefined;
    const snapshot = new OrderedSnapshot(this.partition.table, this.collection, this.index, first, last);
    return this.longOf(snapshot, withScores ? 'scored members' : 'elements', isReverse);
  }

  private get index(): ScoreIndex {
    return this.collection.index as ScoreIndex;
  }

  /** All of it is in memory and in order. */
  private isOrdered(): boolean {
    if (!this.isReady()) return false;
    const { collection, partition, changed } = this;
    if (changed !== undefined) {
      const row = changed.flatMap((member, i) => (i % 2 === 1 ? [] : [{ member, score: decodeScore(changed[i + 1] as Buffer) }]));
      this.row ??= row.sort(inOrder);
      return true;
    }
    collection.index ??= new ScoreIndex(partition.table, collection);
    if (!collection.index.isFilled) collection.index.fill(orderedAtOnce);
    if (!collection.index.isFilled) this.transaction.needOrder(collection);
    return collection.index.isFilled;
  }
}
