/** WAIT: how many replicas hold what this connection wrote. */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { LocalRow } from '../command-table.js';
import type { LocalContext } from '../local-context.js';
import { parseInteger } from './arguments.js';
import { notAnInteger } from './errors.js';
import { docsOf, noKeys } from './row.js';
import { pauseTimeout } from './timeout.js';

const docs = docsOf('generic');
const unblocked = new ErrorReply('UNBLOCKED client unblocked via CLIENT UNBLOCK');

/** WAIT numreplicas timeout: ms, 0 = for ever. Answers early when so many hold it. */
function wait({ client, cluster, node }: LocalContext, args: readonly Buffer[]): Reply | Promise<Reply> {
  const wanted = parseInteger(args[1] as Buffer);
  if (wanted === undefined) return notAnInteger;
  const timeoutMs = pauseTimeout(args[2] as Buffer);
  if (timeoutMs instanceof ErrorReply) return timeoutMs;
  return new Promise((resolve) => {
    let timer: { cancel(): void } | undefined;
    let isOver = false;
    const end = (reply: Reply): void => {
      isOver = true;
      client.unblock = undefined;
      timer?.cancel();
      resolve(reply);
    };
    let isUnblocked = false;
    const asked = node.replicasHolding(client.partitionsWritten(), Number(wanted), (replicas) => {
      if (replicas >= cluster.replicas - 1) client.forgetPartitionsWritten();
      end(isUnblocked ? unblocked : replicas);
    });
    if (isOver) return;
    if (timeoutMs > 0) timer = node.after(timeoutMs, () => asked.giveUp());
    client.unblock = (how) => {
      isUnblocked = how === 'error';
      asked.giveUp();
    };
  });
}

export const waitRows: readonly LocalRow[] = [
  {
    scope: 'local',
    name: 'wait',
    arity: 3,
    flags: ['noscript'],
    keys: noKeys,
    categories: ['slow', 'connection'],
    docs: docs(
      '3.0.0',
      'O(P) where P is the number of partitions that the connection has written to.',
      'Blocks until the writes of the connection are held by a number of home replicas besides the coordinator.',
      'numreplicas timeout',
    ),
    holds: true,
    run: wait,
  },
];
