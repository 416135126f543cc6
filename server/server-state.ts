/** What all connections of a node share: the table, the way to the cluster, limits and counts. `Connection`: what they are (connection.ts). */
import type { Call } from '../cluster/call.js';
import type { FailedCommands } from '../cluster/failed-commands.js';
import type { Session } from '../cluster/session.js';
import type { RequestLimits } from '../protocol/resp/request-decoder.js';
import type { AclLog } from './acl/acl-log.js';
import type { Users } from './acl/users.js';
import type { ClientGate } from './client-gate.js';
import type { CommandLookup } from './command-lookup.js';
import type { CommandTimings } from './command-timings.js';
import type { OutputBufferLimit } from './config/value-types.js';
import type { Dispatcher } from './dispatcher.js';
import type { LocalContext } from './local-context.js';
import type { Statistics } from './statistics.js';
import type { Traces } from './telemetry/traces.js';
import type { TurnBudget } from './turn-budget.js';

export interface ServerState<Connection> {
  readonly lookup: CommandLookup;
  readonly dispatcher: Dispatcher;
  readonly statistics: Statistics;
  readonly failed: FailedCommands;
  /** Sends a call on its way. */
  readonly submit: (call: Call) => void;
  /** For the commands of a new connection. */
  readonly newSession: () => Session;
  /** What may keep the commands of every client waiting, or watch them. */
  readonly gate: ClientGate;
  /** Of all clients together. */
  readonly budget: TurnBudget;
  readonly timings: CommandTimings;
  readonly traces: Pick<Traces, 'isOn' | 'sample'>;
  readonly nowMs: () => number;
  /** Of what is read now, ms of the monotonic clock. */
  readonly arrivalMs: () => number;
  /** How long a command may take. */
  readonly commandTimeoutMs: () => number;
  readonly users: Users;
  readonly aclLog: AclLog;
  /** As they are now, for all who are connected. */
  readonly requestLimits: RequestLimits;
  /** Of normal clients. */
  readonly outputLimit: () => OutputBufferLimit;
  readonly contextOf: (connection: Connection) => LocalContext;
  /** All that came at once has been dealt with. */
  readonly inputTaken: () => void;
  /** `connection.flush()` is called at the end of this turn. */
  readonly flushAtEnd: (connection: Connection) => void;
  readonly closed: (connection: Connection) => void;
  readonly outputLimitReached: (connection: Connection) => void;
}
