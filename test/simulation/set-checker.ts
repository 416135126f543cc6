/**
 * Checks of one set's history: SADD and SREM of members, each added by one command only, DEL and SMEMBERS. The law: no acknowledged add is lost that nobody
 * removed after it or beside it, and nothing is back that was removed after it was acknowledged. A deletion beside an add may have seen it or not; a rewriting is
 * an add of all that it found.
 */
import { accepted, describe, mustBeSeen, refused, type Operation, type Verdict } from './history.js';

export type SetInput =
  | { readonly kind: 'add' | 'remove'; readonly member: string }
  | { readonly kind: 'clear' }
  /** Deletes and writes again what it finds. */
  | { readonly kind: 'rewrite' }
  | { readonly kind: 'read' };
/** The members that a read showed; null for all else. */
export type SetOutput = readonly string[] | null;
export type SetOperation = Operation<SetInput, SetOutput>;

const addedBy = ({ input }: SetOperation): string | undefined => (input.kind === 'add' ? input.member : undefined);
const removes = ({ input }: SetOperation, member: string): boolean =>
  input.kind === 'clear' || (input.kind === 'remove' && input.member === member);

/** What is wrong with these members, seen before `seenUntil` by someone who has to see what `isKnown`; undefined when they may be so. */
function faultOf(
  members: readonly string[],
  isKnown: (operation: SetOperation) => boolean,
  seenUntil: number,
  history: readonly SetOperation[],
): string | undefined {
  const shown = new Set(members);
  if (shown.size < members.length) return `a member is there twice: ${members.join(' ')}`;
  const adds = new Map(history.flatMap((add) => (addedBy(add) === undefined ? [] : [[addedBy(add) as string, add] as const])));
  for (const member of members) {
    const add = adds.get(member);
    if (add === undefined || add.outcome === 'failed' || add.invoked > seenUntil) return `${member} was not added by then`;
    const removal = history.find(
      (one) =>
        removes(one, member) &&
        add.outcome === 'completed' &&
        add.ended < one.invoked &&
        isKnown(one) &&
        !mayBeUndone(one, seenUntil, history),
    );
    if (removal !== undefined) return `${member} is there after ${describe(removal)}`;
  }
  for (const [member, add] of adds) {
    if (shown.has(member) || !isKnown(add)) continue;
    const mayBeRemoved = history.some(
      (one) => removes(one, member) && one.outcome !== 'failed' && one.ended >= add.invoked && one.invoked < seenUntil,
    );
    if (!mayBeRemoved) return `without ${describe(add)}`;
  }
  return undefined;
}

/** Something that wrote again what it found was not surely over when the removal began. */
const mayBeUndone = (removal: SetOperation, seenUntil: number, history: readonly SetOperation[]): boolean =>
  history.some(
    ({ input, outcome, invoked, ended }) =>
      input.kind === 'rewrite' && outcome !== 'failed' && ended >= removal.invoked && invoked < seenUntil,
  );

const shownBy = ({ output }: SetOperation): readonly string[] => output ?? [];

/** No read misses what was acknowledged before it began, or on its own connection before it, nor shows what was removed by then. */
export function checkSetReads(history: readonly SetOperation[]): Verdict {
  for (const read of history) {
    if (read.input.kind !== 'read' || read.outcome !== 'completed') continue;
    const fault = faultOf(shownBy(read), (operation) => mustBeSeen(operation, read), read.ended, history);
    if (fault !== undefined) return refused(`${describe(read)}: ${fault}`);
  }
  return accepted;
}

/** Under sloppy quorums: a read may lack what others acknowledged elsewhere, and show what they removed, but nothing that was not added by then. */
export function checkSetReadsAreOfAdds(history: readonly SetOperation[]): Verdict {
  for (const read of history) {
    if (read.input.kind !== 'read' || read.outcome !== 'completed') continue;
    const fault = faultOf(shownBy(read), () => false, read.ended, history);
    if (fault !== undefined) return refused(`${describe(read)}: ${fault}`);
  }
  return accepted;
}

/** After all is over and healed. Where both sides of a partition went on, what one side removed the other may have written again. */
export function checkFinalSet(history: readonly SetOperation[], members: readonly string[], sloppy: boolean): Verdict {
  const isKnown = ({ outcome, input }: SetOperation): boolean => outcome === 'completed' && (!sloppy || input.kind === 'add');
  const fault = faultOf(members, isKnown, Infinity, history);
  return fault === undefined ? accepted : refused(`finally ${fault}`);
}
