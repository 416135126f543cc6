/** Which collections are combined over several turns of the event loop. */
import { ErrorReply } from '../protocol/resp/reply.js';
import type { ElementSource } from './element-source.js';
import { CommandError, type CollectionView, type SetOperation } from './execution.js';
import { longElements } from './long-elements.js';

/** Nobody sees it. */
const notInMemory = new ErrorReply('ERR a collection is still being loaded');

/**
 * What the views show, not opened yet, where so much is to be gone through that it takes turns, and where that can be done. Views of the same collection share a source: a client may
 * name a large one thousands of times, and it is to be opened once. `isScored`: each view keeps its place, for it has a weight; else a source comes as often as it makes a difference.
 * Throws, in a run that does not count, where memory lacks some.
 */
export function longSources(
  operation: SetOperation,
  views: readonly CollectionView[],
  isScored: boolean,
): readonly ElementSource[] | undefined {
  const sources: ElementSource[] = [];
  const shared = new Map<object, ElementSource>();
  let [isLoading, isAtOnce] = [false, false];
  for (const view of views) {
    const source = view.source();
    if (source === 'loading') isLoading = true;
    else if (source === 'at once') isAtOnce = true;
    else {
      const first = shared.get(source.identity) ?? source;
      shared.set(source.identity, first);
      sources.push(first);
    }
  }
  if (isLoading) throw new CommandError(notInMemory);
  if (isAtOnce) return undefined;
  const steps = sources.reduce(
    (sum, { size, stepsToPrepare }, at) => sum + stepsToPrepare + (at === 0 || operation === 'union' ? size : 0),
    0,
  );
  if (steps < longElements) return undefined;
  if (isScored) return sources;
  // The first one of a difference may be among the others, too: then nothing is left.
  return operation === 'diff' ? [...sources.slice(0, 1), ...new Set(sources.slice(1))] : [...shared.values()];
}
