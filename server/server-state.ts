/** What all connections of a node share: the table, the way to the cluster, limits and counts. */
import type { Call } from '../cluster/call.js';
import type { RequestLimits } from '../protocol/resp/request-decoder.js';
import type { CommandLookup } from './command-lookup.js';
import type { Connection } from './connection.js';
import type { Dispatcher } from './dispatcher.js';
import type { LocalContext } from './local-context.js';
import type { Statistics } from './statistics.js';

export interface ServerState {
  readonly lookup: CommandLookup;
  readonly dispatcher: Dispatcher;
  readonly statistics: Statistics;
  /** Sends a call on its way. */
  readonly submit: (call: Call) => void;
  readonly nowMs: () => number;
  /** The deadline of a command that arrives now. */
  readonly deadlineMs: () => number;
  readonly requestLimits: () => RequestLimits;
  /** Of client-output-buffer-limit's hard limit for normal clients; 0 = none. */
  readonly outputBytesMax: () => number;
  readonly contextOf: (connection: Connection) => LocalContext;
  /** `connection.flush()` is called at the end of this turn. */
  readonly flushAtEnd: (connection: Connection) => void;
  readonly closed: (connection: Connection) => void;
  readonly outputLimitReached: (connection: Connection) => void;
}
