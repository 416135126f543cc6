/** Runs commands of the table on a store, as its coordinator does, and takes what they answer. */
import type { EncodedPieces, Reply } from '../../protocol/resp/reply.js';
import { ErrorReply } from '../../protocol/resp/reply.js';
import { LongReply } from '../../protocol/resp/long-reply.js';
import { CommandLookup } from '../../server/command-lookup.js';
import { allRows } from '../../server/commands/all.js';
import type { CollectionName, CollectionView } from '../../storage/execution.js';
import type { Transaction } from '../../storage/transaction.js';
import { command, type OpenedStore } from '../storage/store-fixtures.js';

const lookup = new CommandLookup(allRows);

/** All that it reads has to be in memory. */
export function run(opened: OpenedStore, resp: 2 | 3, ...words: readonly (string | number)[]): Reply {
  const args = words.map((word) => Buffer.from(String(word)));
  const row = lookup.resolve(args);
  if (row instanceof ErrorReply || row.scope !== 'keys') throw new Error(`${words.join(' ')} is no command on keys`);
  const parsed = row.parse(args);
  if (parsed instanceof ErrorReply) throw new Error(parsed.text);
  let reply: Reply = null;
  command(opened, 0, 1, (transaction) => {
    transaction.resp = resp;
    reply = parsed(transaction);
    if (transaction.needs.length > 0) throw new Error('all is in memory');
  });
  return reply;
}

/** The same with collections that nothing is made of in slices: the command does all at once. */
export function runAtOnce(opened: OpenedStore, resp: 2 | 3, ...words: readonly (string | number)[]): Reply {
  const { transaction } = opened;
  const [collection, sorted] = [transaction.collection.bind(transaction), transaction.sorted.bind(transaction)];
  const nothing = (): undefined => undefined;
  const atOnce = <View extends CollectionView>(view: View | undefined): View | undefined =>
    view && Object.assign(view, { longCombination: nothing, longScoredCombination: nothing });
  const own: Pick<Transaction, 'collection' | 'sorted'> = {
    collection: (key: Buffer, type: CollectionName) => atOnce(collection(key, type)),
    sorted: (key: Buffer) => atOnce(sorted(key)),
  };
  Object.assign(transaction, own);
  try {
    return run(opened, resp, ...words);
  } finally {
    for (const name of Object.keys(own)) Reflect.deleteProperty(transaction, name);
  }
}

/** Drives a long reply to its end; `between` is called after each slice but the last, and `slice` makes each. */
export async function whole(
  reply: LongReply<EncodedPieces>,
  between: () => Promise<void> | void = () => undefined,
  slice: () => boolean = () => reply.proceed(),
): Promise<{ readonly bytes: Buffer; readonly slices: number }> {
  let pieces: readonly Buffer[] = [];
  reply.whenWhole((made) => (pieces = made.pieces));
  let slices = 1;
  for (; !slice(); slices++) await between();
  return { bytes: Buffer.concat(pieces), slices };
}
