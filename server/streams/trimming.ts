/**
 * Which entries XTRIM, and XADD with MAXLEN or MINID, take away. Redis keeps entries in nodes of a hundred; with `~` it takes whole nodes only, at most so many
 * entries as LIMIT says. Here there are no nodes: with `~` whole hundreds go, counted from the first entry, or all.
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { isToken, parseInteger } from '../commands/arguments.js';
import { notAnInteger } from '../commands/errors.js';
import { idMax, invalidId, parseId, type StreamId } from './stream-id.js';
import type { Stream } from './stream.js';

const nodeEntries = 100;
const limitDefault = 100 * nodeEntries;

export interface Trimming {
  /** So many entries stay at least; those below the id go at most. One of the two. */
  readonly most: number | undefined;
  readonly least: StreamId | undefined;
  readonly isAbout: boolean;
  /** With `isAbout`; 0 = none. */
  readonly limit: number;
}

const error = (text: string): ErrorReply => new ErrorReply(`ERR ${text}`);
const bothGiven = error('syntax error, MAXLEN and MINID options at the same time are not compatible');
const negativeLength = error('The MAXLEN argument must be >= 0.');
const negativeLimit = error('The LIMIT argument must be >= 0.');
const limitOfNothing = error('syntax error, LIMIT cannot be used without specifying a trimming strategy');
const limitOfExact = error('syntax error, LIMIT cannot be used without the special ~ option');

/** Reads MAXLEN, MINID and LIMIT among a command's arguments. */
export class TrimmingParser {
  private most: number | undefined;
  private least: StreamId | undefined;
  private isAbout = false;
  private limit: number | undefined;

  /** Where to go on when an option stands at `i`; undefined = none does. */
  take(args: readonly Buffer[], i: number): number | ErrorReply | undefined {
    const option = args[i] as Buffer;
    if (i + 1 >= args.length) return undefined;
    if (isToken(option, 'LIMIT')) {
      const limit = parseInteger(args[i + 1] as Buffer);
      if (limit === undefined) return notAnInteger;
      if (limit < 0) return negativeLimit;
      this.limit = Number(limit);
      return i + 2;
    }
    const isByLength = isToken(option, 'MAXLEN');
    if (!isByLength && !isToken(option, 'MINID')) return undefined;
    if (this.isGiven) return bothGiven;
    const mark = i + 2 < args.length ? (args[i + 1] as Buffer) : undefined;
    this.isAbout = mark !== undefined && isToken(mark, '~');
    const at = this.isAbout || (mark !== undefined && isToken(mark, '=')) ? i + 2 : i + 1;
    const wrong = isByLength ? this.takeLength(args[at] as Buffer) : this.takeId(args[at] as Buffer);
    return wrong ?? at + 1;
  }

  private takeLength(argument: Buffer): ErrorReply | undefined {
    const most = parseInteger(argument);
    if (most === undefined) return notAnInteger;
    if (most < 0) return negativeLength;
    this.most = Number(most);
    return undefined;
  }

  private takeId(argument: Buffer): ErrorReply | undefined {
    this.least = parseId(argument, 0n);
    return this.least === undefined ? invalidId : undefined;
  }

  get isGiven(): boolean {
    return this.most !== undefined || this.least !== undefined;
  }

  /** What was read; undefined = nothing of it. */
  end(): Trimming | ErrorReply | undefined {
    const { most, least, isAbout, limit } = this;
    if (!this.isGiven) return limit === undefined || limit === 0 ? undefined : limitOfNothing;
    if (limit !== undefined && !isAbout) return limitOfExact;
    return { most, least, isAbout, limit: isAbout ? (limit ?? limitDefault) : 0 };
  }
}

/** How many of `length` entries go, of which `due` are below the mark. */
function trimmedCount(due: number, length: number, { isAbout, limit }: Trimming): number {
  if (!isAbout) return due;
  const whole = due === length ? due : due - (due % nodeEntries);
  return limit > 0 && whole > limit ? limit - (limit % nodeEntries) : whole;
}

/** The entries of a stream that go, from the first on; `added`: the id of one that is about to be its last, which may go, too. */
export function trimmedIds(stream: Stream, trimming: Trimming, added?: StreamId): StreamId[] {
  const { most, least, isAbout, limit } = trimming;
  const length = stream.length + (added === undefined ? 0 : 1);
  const dueMost = most === undefined ? Infinity : Math.max(0, length - most);
  if (dueMost === 0) return [];
  // One more than may go, so that it is known whether all do.
  const looked = isAbout && limit > 0 ? Math.min(dueMost, limit + 1) : dueMost;
  const ids = stream.idsBelow(least ?? idMax + 1n, looked);
  if (added !== undefined && ids.length === length - 1 && ids.length < looked && (least === undefined || added < least)) ids.push(added);
  return ids.slice(0, trimmedCount(ids.length, length, trimming));
}
