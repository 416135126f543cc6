/**
 * Checks of one append-only list's history: APPEND or RPUSH of one element, and reads of the whole. Every element is appended once only.
 * A list remembers all that happened to it, so it shows losses that a register hides behind the next write.
 */
import { accepted, describe, refused, type Operation, type Verdict } from './history.js';
import { checkLinearizable, impossible, type Model, type SearchBounds } from './linearizability-checker.js';

export type ListInput = { readonly kind: 'append'; readonly element: string } | { readonly kind: 'read' };
/** The elements that a read showed; for an append the list's length after it, or null where it was not told. */
export type ListOutput = readonly string[] | number | null;
export type ListOperation = Operation<ListInput, ListOutput>;

const same = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((element, at) => element === b[at]);

const listModel: Model<readonly string[], ListInput, ListOutput> = {
  initial: [],
  apply: (state, input, output) => {
    if (input.kind === 'append') return typeof output === 'number' && output !== state.length + 1 ? impossible : [...state, input.element];
    return !Array.isArray(output) || same(state, output as readonly string[]) ? state : impossible;
  },
  fingerprint: (state) => JSON.stringify(state),
};

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
  return checkLinearizable(telling, listModel, bounds);
}

/** Why the list seen between the two moments is wrong; undefined when it may be so. */
function faultOf(elements: readonly string[], seenFrom: number, seenUntil: number, history: readonly ListOperation[]): string | undefined {
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
    if (append.outcome === 'completed' && append.ended < seenFrom && !there.has(element)) return `without ${describe(append)}`;
  }
  return undefined;
}

/** No read misses an append that was acknowledged before it began, or shows one twice or one that was not made. */
export function checkListReadsKeepUp(history: readonly ListOperation[]): Verdict {
  demandUniqueElements(history);
  for (const read of history.filter(isRead)) {
    const fault = faultOf(elementsOf(read), read.invoked, read.ended, history);
    if (fault !== undefined) return refused(`${describe(read)}: ${fault}`);
  }
  return accepted;
}

/** No acknowledged append is missing after all is over and healed, none is there twice, and none that was refused. */
export function checkFinalList(history: readonly ListOperation[], finalElements: readonly string[]): Verdict {
  demandUniqueElements(history);
  const fault = faultOf(finalElements, Infinity, Infinity, history);
  return fault === undefined ? accepted : refused(`finally ${fault}`);
}
