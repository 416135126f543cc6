/** Runs commands of the table on a store, as its coordinator does, and takes what they answer. */
import { ErrorReply, type EncodedPieces, type Reply } from '../../protocol/resp/reply.js';
import { LongReply } from '../../protocol/resp/long-reply.js';
import { CommandLookup } from '../../server/command-lookup.js';
import { allRows } from '../../server/commands/all.js';
import type { Run } from '../../server/command-table.js';
import { decodeReply } from '../../server/decode-reply.js';
import { DistantExecution } from '../../server/distant/execution.js';
import { argumentsOf, distantValueAt, distantValueOf, type DistantValue } from '../../server/distant/value.js';
import type { Execution } from '../../storage/execution.js';
import type { LongWork } from '../../storage/long-work.js';
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
  return runSeeing(opened, resp, words, new Map());
}

/** The same where some keys are of other partitions: with what was brought of them, by key in latin1. */
export function runSeeing(opened: OpenedStore, resp: 2 | 3, words: Words, brought: ReadonlyMap<string, DistantValue>): Reply {
  const body = parsed(words);
  const { reply, lacking } = tried(opened, resp, seeing(body, brought), undefined);
  if (lacking !== undefined) throw new Error(`${words.join(' ')} does not run at once`);
  return reply;
}

/** One that may lack something: that is made first, slice by slice; `between` is called after each, the last one, too. */
export function runPrepared(
  opened: OpenedStore,
  words: Words,
  between: () => void = () => undefined,
  brought: ReadonlyMap<string, DistantValue> = new Map(),
): { readonly reply: Reply; readonly slices: number } {
  const body = seeing(parsed(words), brought);
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

const seeing =
  (body: Run, brought: ReadonlyMap<string, DistantValue>): Run =>
  (execution) =>
    body(brought.size === 0 ? execution : new DistantExecution(execution, brought));

/** What keys hold as it is brought to another partition. */
export async function broughtOf(opened: OpenedStore, keys: readonly string[]): Promise<ReadonlyMap<string, DistantValue>> {
  const values = new Map<string, DistantValue>();
  for (const key of keys) {
    const { reply } = tried(opened, 2, (execution) => distantValueOf(execution, Buffer.from(key), false), undefined);
    const args = argumentsOf(Buffer.from(key), reply instanceof LongReply ? decodeReply((await whole(reply)).bytes) : reply);
    const taken = args instanceof ErrorReply ? undefined : distantValueAt(args, 0);
    if (taken === undefined) throw new Error(`what ${key} holds is not brought`);
    values.set(key, taken.value);
  }
  return values;
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

/** The same where nothing can be made in slices: the command does all at once. */
export function runAtOnce(opened: OpenedStore, resp: 2 | 3, ...words: Words): Reply {
  const nothing = (): undefined => undefined;
  const own = { longCombination: nothing, longScoredCombination: nothing, longMembers: nothing } satisfies Partial<Execution>;
  Object.assign(opened.transaction, own);
  try {
    return run(opened, resp, ...words);
  } finally {
    for (const name of Object.keys(own)) Reflect.deleteProperty(opened.transaction, name);
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
