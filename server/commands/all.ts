/** Every command there is. A row that is not in this list does not exist. */
import type { CommandRow } from '../command-table.js';
import { clientRows } from './client.js';
import { clusterRows } from './cluster.js';
import { commandRows } from './command.js';
import { connectionRows } from './connection.js';
import { keyRows } from './keys.js';
import { keyspaceRows } from './keyspace.js';
import { serverRows } from './server.js';
import { stringRows } from './strings.js';
import { torcRows } from './torc.js';

export const allRows: readonly CommandRow[] = [
  ...stringRows,
  ...keyRows,
  ...keyspaceRows,
  ...connectionRows,
  ...clientRows,
  ...serverRows,
  ...clusterRows,
  ...torcRows,
  ...commandRows(() => allRows),
];
