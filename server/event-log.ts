/** What the cluster's side of a node has to tell, as lines of its log. */
import type { EventLog } from '../cluster/events.js';
import { LineBudget } from './line-budget.js';
import type { Log } from './log.js';

/** Of streams that were closed for what they said; anybody can open as many as they like. */
const strangersAtOnce = 20;

export function eventLogOf(log: Log, monotonicMs: () => number): EventLog {
  const strangers = new LineBudget(strangersAtOnce, monotonicMs);
  return (level, message, event) => {
    const unsaid = event.event === 'stream-closed' ? strangers.take() : 0;
    if (unsaid === undefined) return;
    const told = unsaid > 0 ? { ...event, unsaid } : event;
    if (level === 'warn') log.warning(told, message);
    else log.notice(told, message);
  };
}
