/** What a client asks of a simulated cluster, how its reply is recorded, and how replies read as text and numbers. */
import { DecimalReply, DoubleReply, MapReply, SetReply, type Reply } from '../../protocol/resp/reply.js';
import { parseId } from '../../server/streams/stream-id.js';
import type { Ending } from './history.js';

export interface Asked {
  readonly words: readonly string[];
  readonly ending: Ending<Reply>;
}

export function withOutput<Output>(ending: Ending<Output>, outputOf: (reply: Reply) => Output): Ending<Reply> {
  return { complete: (reply) => ending.complete(outputOf(reply)), fail: () => ending.fail(), leaveUnknown: () => ending.leaveUnknown() };
}

export const textOrNull = (reply: Reply): string | null =>
  Buffer.isBuffer(reply) ? reply.toString() : typeof reply === 'string' ? reply : null;

export function numberOf(reply: Reply): number {
  if (reply instanceof DoubleReply) return reply.value;
  return Number(reply instanceof DecimalReply ? reply.text : (textOrNull(reply) ?? 0));
}

export function membersOf(reply: Reply): string[] {
  const members = reply instanceof SetReply ? reply.members : Array.isArray(reply) ? (reply as readonly Reply[]) : [];
  if (reply instanceof MapReply) throw new Error('a set was answered as a map');
  return members.map((member) => textOrNull(member) ?? '?');
}

/** Ahead of all clocks: every id of a stream that has one such is chosen right behind the last. */
export const farAheadMs = 9_999_999_999_999;

/** The values of XRANGE's entries, whose ids have to grow. */
export function loggedIn(reply: Reply): string[] {
  const entries = (Array.isArray(reply) ? reply : []) as readonly (readonly [Reply, readonly Reply[]])[];
  const ids = entries.map(([id]) => parseId(Buffer.from(textOrNull(id) ?? ''), 0n) ?? -1n);
  if (ids.some((id, i) => i > 0 && id <= (ids[i - 1] ?? 0n))) throw new Error(`the ids of a stream do not grow: ${ids.join(' ')}`);
  return entries.map(([, fields]) => textOrNull(fields[1] ?? null) ?? '?');
}
