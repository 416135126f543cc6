/** Which collections are combined over several turns of the event loop. */
import { ErrorReply } from '../protocol/resp/reply.js';
import type { ElementSource } from './element-source.js';
import { CommandError, type CollectionView, type SetOperation } from './execution.js';
import { longElements } from './long-elements.js';

/** Nobody sees it. */
const notInMemory = new ErrorReply('ERR a collection is still being loaded');

/** What the views show, not opened yet, where so much is to be gone through that it takes turns, and where that can be done. Throws, in a run that does not count, where memory lacks some. */
export function longSources(operation: SetOperation, views: readonly CollectionView[]): readonly ElementSource[] | undefined {
  const sources: ElementSource[] = [];
  let [isLoading, isAtOnce] = [false, false];
  for (const view of views) {
    const source = view.source();
    if (source === 'loading') isLoading = true;
    else if (source === 'at once') isAtOnce = true;
    else sources.push(source);
  }
  if (isLoading) throw new CommandError(notInMemory);
  if (isAtOnce) return undefined;
  const steps = sources.reduce(
    (sum, { size, stepsToPrepare }, at) => sum + stepsToPrepare + (at === 0 || operation === 'union' ? size : 0),
    0,
  );
  return steps >= longElements ? sources : undefined;
}
