/** What the cluster's side of a node has to tell, as lines of its log. */
import type { EventLog, EventName } from '../cluster/events.js';
import { LineBudget } from './line-budget.js';
import type { Log } from './log.js';

/** Of streams that were closed for what they said, which anybody can open as many of as they like, and of commands that failed by an error of this program, which a client may repeat. */
const oftenAtOnce = 20;

export function eventLogOf(log: Log, monotonicMs: () => number): EventLog {
  const budgets = new Map(
    (['stream-closed', 'command-failed'] as const).map((event) => [event as EventName, new LineBudget(oftenAtOnce, monotonicMs)]),
  );
  return (level, message, event) => {
    const budget = budgets.get(event.event);
    const unsaid = budget === undefined ? 0 : budget.take();
    if (unsaid === undefined) return;
    const told = unsaid > 0 ? { ...event, unsaid } : event;
    if (level === 'warn') log.warning(told, message);
    else log.notice(told, message);
  };
}
