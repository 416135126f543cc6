/** Every command there is. A row that is not in this list does not exist. */
import type { CommandRow } from '../command-table.js';
import { clientRows } from './client.js';
import { clusterRows } from './cluster.js';
import { commandRows } from './command.js';
import { configRows } from './config.js';
import { connectionRows } from './connection.js';
import { debugRows } from './debug.js';
import { keyRows } from './keys.js';
import { keyspaceRows } from './keyspace.js';
import { latencyRows } from './latency.js';
import { memoryRows } from './memory.js';
import { serverRows } from './server.js';
import { slowlogRows } from './slowlog.js';
import { stringRows } from './strings.js';
import { torcRows } from './torc.js';
import { waitRows } from './wait.js';

export const allRows: readonly CommandRow[] = [
  ...stringRows,
  ...keyRows,
  ...keyspaceRows,
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
  ...commandRows(() => allRows),
];
