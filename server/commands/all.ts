/** Every command there is. A row that is not in this list does not exist. */
import type { CommandRow } from '../command-table.js';
import { aclRows } from './acl.js';
import { bitfieldRows } from './bitfield.js';
import { bitmapRows } from './bitmaps.js';
import { clientRows } from './client.js';
import { clusterRows } from './cluster.js';
import { commandRows } from './command.js';
import { commonSubsequenceRows } from './common-subsequence.js';
import { configRows } from './config.js';
import { connectionRows } from './connection.js';
import { debugRows } from './debug.js';
import { distantRows } from './distant-rows.js';
import { dumpRows } from './dump.js';
import { expiringRows } from './expiring.js';
import { floatIncrementRows } from './float-increments.js';
import { geoRows } from './geo.js';
import { geoSearchRows } from './geo-search.js';
import { hashRows } from './hashes.js';
import { hashExpiryRows } from './hash-expiry.js';
import { hyperLogLogRows } from './hyperloglogs.js';
import { hyperLogLogDebugRows } from './hyperloglog-debug.js';
import { keyRows } from './keys.js';
import { keyspaceRows } from './keyspace.js';
import { latencyRows } from './latency.js';
import { listIndexRows } from './list-indexes.js';
import { listRows } from './lists.js';
import { memoryRows } from './memory.js';
import { objectRows } from './object.js';
import { rangeRows } from './ranges.js';
import { renamingRows } from './renaming.js';
import { scanRows } from './scan.js';
import { serverRows } from './server.js';
import { setRows } from './sets.js';
import { settingRows } from './setting.js';
import { slowlogRows } from './slowlog.js';
import { sortRows } from './sort.js';
import { sortedSetAlgebraRows } from './sorted-set-algebra.js';
import { sortedSetRangeRows } from './sorted-set-ranges.js';
import { sortedSetRows } from './sorted-sets.js';
import { streamGroupContainers, streamGroupRows } from './stream-groups.js';
import { streamInfoRows } from './stream-info.js';
import { streamPendingRows } from './stream-pending.js';
import { streamReadRows } from './stream-reads.js';
import { streamRows } from './streams.js';
import { stringRows } from './strings.js';
import { torcRows } from './torc.js';
import { waitRows } from './wait.js';

export const allRows: readonly CommandRow[] = [
  ...stringRows,
  ...settingRows,
  ...rangeRows,
  ...floatIncrementRows,
  ...commonSubsequenceRows,
  ...bitmapRows,
  ...bitfieldRows,
  ...hashRows,
  ...hashExpiryRows,
  ...setRows,
  ...hyperLogLogRows,
  ...hyperLogLogDebugRows,
  ...sortedSetRows,
  ...sortedSetRangeRows,
  ...sortedSetAlgebraRows,
  ...listRows,
  ...listIndexRows,
  ...streamRows,
  ...streamReadRows,
  ...streamGroupRows,
  ...streamGroupContainers,
  ...streamPendingRows,
  ...streamInfoRows,
  ...geoRows,
  ...geoSearchRows,
  ...keyRows,
  ...expiringRows,
  ...renamingRows,
  ...sortRows,
  ...objectRows,
  ...dumpRows,
  ...keyspaceRows,
  ...scanRows,
  ...connectionRows,
  ...clientRows,
  ...serverRows,
  ...configRows,
  ...slowlogRows,
  ...latencyRows,
  ...memoryRows,
  ...debugRows,
  ...waitRows,
  ...clusterRows,
  ...torcRows,
  ...distantRows(() => allRows),
  ...aclRows(() => allRows),
  ...commandRows(() => allRows),
];
