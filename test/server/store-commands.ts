/** Runs commands of the table on a store, as its coordinator does, and takes what they answer. */
import type { EncodedPieces, Reply } from '../../protocol/resp/reply.js';
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { LongReply } from '../../protocol/resp/long-reply.js';
import { CommandLookup } from '../../server/command-lookup.js';
import { allRows } from '../../server/commands/all.js';
import type { Run } from '../../server/command-table.js';
import type { CollectionName, CollectionView } from '../../storage/execution.js';
import type { LongWork } from '../../storage/long-work.js';
import type { Transaction } from '../../storage/transaction.js';
import { command, type OpenedStore } from '../storage/store-fixtures.js';

const lookup = new CommandLookup(allRows);

type Words = readonly (string | number)[];

function parsed(words: Words): Run {
  const args = words.map((word) => Buffer.from(String(word)));
  const row = lookup.resolve(args);
  if (row instanceof ErrorReply || row.scope !== 'keys') throw new Error(`${words.join(' ')} is no command on keys`);
  const body = row.parse(args);
  if (body instanceof ErrorReply) throw new Error(body.text);
  return body;
}

/** All that it reads has to be in memory, and it lacks nothing that has to be made first. */
export function run(opened: OpenedStore, resp: 2 | 3, ...words: Words): Reply {
  const { reply, lacking } = tried(opened, resp, parsed(words), undefined);
  if (lacking !== undefined) throw new Error(`${words.join(' ')} does not run at once`);
  return reply;
}

/** One that may lack something: that is made first, slice by slice; `between` is called after each, the last one, too. */
export function runPrepared(
  opened: OpenedStore,
  words: Words,
  between: () => void = () => undefined,
): { readonly reply: Reply; readonly slices: number } {
  const body = parsed(words);
  const first = tried(opened, 2, body, undefined);
  if (first.lacking === undefined) return { reply: first.reply, slices: 0 };
  let slices = 0;
  for (let isMade = false; !isMade; slices++) {
    isMade = first.lacking.proceed();
    between();
  }
  const second = tried(opened, 2, body, first.lacking);
  if (second.lacking !== undefined) throw new Error(`${words.join(' ')} is made more than once`);
  return { reply: second.reply, slices };
}

interface Tried {
  readonly reply: Reply;
  readonly lacking: LongWork<unknown> | undefined;
}

function tried(opened: OpenedStore, resp: 2 | 3, body: Run, prepared: LongWork<unknown> | undefined): Tried {
  let reply: Reply = null;
  let lacking: LongWork<unknown> | undefined;
  command(opened, 0, 1, (transaction) => {
    transaction.resp = resp;
    transaction.prepared = prepared;
    try {
      reply = body(transaction);
    } finally {
      ({ lacking } = transaction);
    }
    if (transaction.needs.length > 0) throw new Error('all is in memory');
  });
  return { reply, lacking };
}

/** The same with collections that nothing is made of in slices: the command does all at once. */
export function runAtOnce(opened: OpenedStore, resp: 2 | 3, ...words: Words): Reply {
  const { transaction } = opened;
  const [collection, sorted] = [transaction.collection.bind(transaction), transaction.sorted.bind(transaction)];
  const nothing = (): undefined => undefined;
  const atOnce = <View extends CollectionView>(view: View | undefined): View | undefined =>
    view && Object.assign(view, { longCombination: nothing, longScoredCombination: nothing, longMembers: nothing });
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
