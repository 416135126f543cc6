/** Which of two types at one key is seen: the one with the latest value. Asked only where two are alive, so it may look at every element. */
import { compareRanked, type Dot, type Ranked } from '../protocol/dot.js';
import type { VersionedRecord } from '../protocol/record.js';
import type { Collection } from './collection.js';
import type { KeyTable } from './key-table.js';
import { shownValue } from './shown-value.js';

/** The latest write among what a record shows. */
export function latestOfRecord(record: VersionedRecord | undefined): Ranked | undefined {
  return record === undefined ? undefined : shownValue(record)?.latest;
}

/** The same among what a living entry shows. */
export function latestDotOf(table: KeyTable, entry: number): Dot {
  if (table.isSingle(entry)) return { actor: table.actorOf(entry), counter: table.counterOf(entry) };
  const latest = latestOfRecord(table.recordOf(entry));
  if (latest === undefined) throw new Error('an element that is not there has no latest write');
  return latest;
}

/** The latest write among the living elements. */
export function latestOf(table: KeyTable, collection: Collection): Ranked | undefined {
  let latest: Ranked | undefined;
  for (let at = 0; at < collection.living; at++) {
    const one = latestOfRecord(table.recordOf(collection.at(at)));
    if (one !== undefined && (latest === undefined || compareRanked(one, latest) > 0)) latest = one;
  }
  return latest;
}
