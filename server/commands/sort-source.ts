/** What SORT sorts, whatever its type, and where it puts the result. A type joins by its line. */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { CommandError, type Execution, type TypeName } from '../../storage/execution.js';

const wrongType = new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value');

export interface SortSource {
  /** Elements, owned by the caller, in the type's own order where it has one. */
  readonly elements: readonly Buffer[];
  /** False: what comes first is chance, so that what is stored has to be put in order. */
  readonly isOrdered: boolean;
}

type Read = (execution: Execution, key: Buffer) => SortSource;

const sources: Readonly<Partial<Record<TypeName, Read>>> = {
  list: (execution, key) => ({ elements: execution.list(key)?.slice(0, Infinity) ?? [], isOrdered: true }),
  set: (execution, key) => ({ elements: execution.collection(key, 'set')?.elements() ?? [], isOrdered: false }),
  zset: (execution, key) => ({
    elements: (execution.sorted(key)?.slice(0, Infinity) ?? []).map(({ member }) => member),
    isOrdered: true,
  }),
};

/** Nothing where there is no key. Throws CommandError WRONGTYPE for a type that is not made of elements. */
export function sortSource(execution: Execution, key: Buffer): SortSource {
  const type = execution.typeOf(key);
  if (type === undefined) {
    execution.collection(key, 'set'); // a read looks whether another replica has it
    return { elements: [], isOrdered: true };
  }
  const read = sources[type];
  if (read === undefined) throw new CommandError(wrongType);
  return read(execution, key);
}

/** Puts a list of the values in place of whatever is at `target`; nothing where there are none. How many there are. */
export function storeSorted(execution: Execution, target: Buffer, values: readonly Buffer[]): number {
  execution.delete(target);
  if (values.length > 0) execution.insertIntoList(target, 0, values, 'left');
  return values.length;
}
