/** What a client sees of a record of any type: the rule is told by its versions. */
import { versionKind, type VersionedRecord } from '../protocol/record.js';
import { encodeScore, shownScore } from './score-value.js';
import { shownString, type ShownString } from './string-value.js';

/** Undefined of a record without versions. A score's bytes are its eight. */
export function shownValue(record: VersionedRecord): ShownString | undefined {
  if (!record.versions.some(({ kind }) => kind === versionKind.tally)) return shownString(record);
  const shown = shownScore(record.versions);
  return shown === undefined ? undefined : { bytes: encodeScore(shown.score), expiresAtMs: 0, latest: shown.latest, joined: [] };
}
