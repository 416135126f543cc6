/**
 * Checks of one append-only list's history: APPEND or RPUSH of one element, and reads of the whole. Every element is appended once only.
 * A list remembers all that happened to it, so it shows losses that a register hides behind the next write.
 */
import { accepted, describe, mustBeSeen, refused, type Operation, type Verdict } from './history.js';
import { checkLinearizable, impossible, type Model, type SearchBounds } from './linearizability-checker.js';

export type ListInput = { readonly kind: 'append'; readonly element: string } | { readonly kind: 'read' };
/** The elements that a read showed; for an append the list's length after it, or null where it was not told. */
export type ListOutput = readonly string[] | number | null;
export type ListOperation = Operation<ListInput, ListOutput>;

/**
 * The list whose longest reading is known: it fixes where each element that it shows is, and all others come after. So the list's length is
 * all there is to its state, and reads are prefixes of the longest one, which has been checked.
 */
function listModel(longest: readonly string[]): Model<number, ListInput, ListOutput> {
  const positions = new Map(longest.map((element, at) => [element, at]));
  return {
    initial: 0,
    apply: (length, input, output) => {
      if (input.kind === 'read') return Array.isArray(output) && output.length === length ? length : impossible;
      const position = positions.get(input.element);
      if (position === undefined ? length < longest.length : length !== position) return impossible;
      return typeof output === 'number' && output !== length + 1 ? impossible : length + 1;
    },
    isFree: (_length, input) => input.kind === 'read',
    fingerprint: String,
  };
}

const elementsOf = ({ output }: ListOperation): readonly string[] => (typeof output === 'object' && output !== null ? output : []);
const isRead = ({ input, outcome }: ListOperation): boolean => input.kind === 'read' && outcome === 'completed';

function demandUniqueElements(history: readonly ListOperation[]): void {
  const appended = history.flatMap(({ input }) => (input.kind === 'append' ? [input.element] : []));
  if (new Set(appended).size < appended.length) throw new Error('an element is appended twice: the history cannot be checked');
}

/** Linearizability of one key's history. */
export function checkList(history: readonly ListOperation[], bounds?: SearchBounds): Verdict {
  demandUniqueElements(history);
  const shown = new Set(history.flatMap((operation) => (isRead(operation) ? elementsOf(operation) : [])));
  const lengthsTold = history.some(({ input, output }) => input.kind === 'append' && typeof output === 'number');
  // An append of unknown outcome that shows nowhere, not even in a length, can be taken never.
  const telling = history.filter(
    ({ input, outcome }) => outcome === 'completed' || (input.kind === 'append' && (lengthsTold || shown.has(input.element))),
  );
  const reads = telling.filter(isRead);
  const longest = reads.reduce<readonly string[]>(
    (longer, read) => (elementsOf(read).length > longer.length ? elementsOf(read) : longer),
    [],
  );
  for (const read of reads) {
    if (elementsOf(read).some((element, at) => element !== longest[at]))
      return refused(`${describe(read)} is not a beginning of ${longest.join(' ')}`);
  }
  return checkLinearizable(telling, listModel(longest), bounds);
}

/** Why the list, seen before `seenUntil` by someone who has to see what `isKnown`, is wrong; undefined when it may be so. */
function faultOf(
  elements: readonly string[],
  isKnown: (append: ListOperation) => boolean,
  seenUntil: number,
  history: readonly ListOperation[],
): string | undefined {
  const appends = new Map(
    history.flatMap((operation) => (operation.input.kind === 'append' ? [[operation.input.element, operation]] : [])),
  );
  if (new Set(elements).size < elements.length) return `an element is there twice: ${elements.join(' ')}`;
  for (const element of elements) {
    const append = appends.get(element);
    if (append === undefined || append.outcome === 'failed' || append.invoked > seenUntil) return `${element} was not appended by then`;
  }
  const there = new Set(elements);
  for (const [element, append] of appends) {
    if (!there.has(element) && isKnown(append)) return `without ${describe(append)}`;
  }
  return undefined;
}

/** No read misses an append that was acknowledged before it began, or one before it on its own connection, or shows one twice or one that was not made. */
export function checkListReadsKeepUp(history: readonly ListOperation[]): Verdict {
  demandUniqueElements(history);
  for (const read of history.filter(isRead)) {
    const fault = faultOf(elementsOf(read), (append) => mustBeSeen(append, read), read.ended, history);
    if (fault !== undefined) return refused(`${describe(read)}: ${fault}`);
  }
  return accepted;
}

/** No acknowledged append is missing after all is over and healed, none is there twice, and none that was refused. */
export function checkFinalList(history: readonly ListOperation[], finalElements: readonly string[]): Verdict {
  demandUniqueElements(history);
  const fault = faultOf(finalElements, ({ outcome }) => outcome === 'completed', Infinity, history);
  return fault === undefined ? accepted : refused(`finally ${fault}`);
}
