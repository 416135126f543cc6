/**
 * Requests of one connection: bytes in any cut -> arguments.
 *
 * The frame guard decides where requests end and whether they are sound; redis-parser decodes them. It gets whole, checked frames only: a run
 * of pipelined commands in one chunk is one slice, without a copy; a request that spans chunks is joined once, when its last byte is there, but for large
 * elements, which are put together while they come (large-elements.ts).
 *
 * Invariant: redis-parser holds nothing between two calls, and after a protocol error nothing more is decoded.
 */
import RedisParser from 'redis-parser';
import { FrameGuard, type RequestLimits } from './frame-guard.js';
import { splitInlineArguments } from './inline-arguments.js';
import { LargeElements, largeElementBytes } from './large-elements.js';
import { UnfinishedRequest } from './unfinished-request.js';

export type { RequestLimits } from './frame-guard.js';

export interface RequestSink {
  /**
   * One request, of one argument at least. The arguments are borrowed: slices of the chunk or of a joined request, which nothing
   * overwrites, but which they keep in memory whole; copy what is to live longer than the command. Must not throw, and must not call `push`.
   */
  request(args: Buffer[]): void;
  /** The stream is broken. `text` is the whole error reply without its `-`, for example `ERR Protocol error: invalid bulk length`; then close. */
  protocolError(text: string): void;
}

/** More than a stranger's request ever has: its arguments, headers and all. */
const strangerRequestBytesMax = 256 * 1024;
const nothing = Buffer.alloc(0);

export class RequestDecoder {
  private readonly guard: FrameGuard;
  private readonly unfinished = new UnfinishedRequest();
  private readonly parser: RedisParser;
  /** Of the unfinished request; undefined = it has none. */
  private large: LargeElements | undefined;
  private failed = false;
  /** The client was known when what has begun was let through, and is not any more. */
  private becameStranger = false;

  constructor(
    private readonly limits: RequestLimits,
    private readonly sink: RequestSink,
    /** Elements of so many bytes are put together while they come. */
    private readonly largeBytes = largeElementBytes,
  ) {
    this.guard = new FrameGuard(limits);
    this.parser = new RedisParser({
      returnBuffers: true,
      // The guard lets nothing through but arrays of bulks, and with returnBuffers those are arrays of Buffers.
      returnReply: (args) => sink.request(args as Buffer[]),
      returnError: unexpected,
      returnFatalError: unexpected,
    });
  }

  /** Bytes of the request that has begun and not ended. */
  get bufferedBytes(): number {
    return this.unfinished.byteLength + (this.large?.byteLength ?? 0);
  }

  /** The client has not said who it is, and has to: small requests only. Holds for what was not decoded yet, a request that has begun included. */
  set isOfStranger(isOfStranger: boolean) {
    this.becameStranger = isOfStranger && (this.becameStranger || !this.guard.isOfStranger);
    this.guard.isOfStranger = isOfStranger;
  }

  /**
   * Decodes `chunk`, any cut of the stream, and calls the sink for each request that ends in it, in order, before returning.
   * The chunk is given away: the arguments and the unfinished request refer to it, so it must not be written to afterwards.
   */
  push(chunk: Buffer): void {
    let from = 0;
    while (from < chunk.length && !this.failed) {
      const resumed = this.unfinished.byteLength > 0;
      const rest = this.large === undefined ? from : from + this.large.fill(chunk, from);
      // Of a stranger's requests each may make it known, and what follows be allowed.
      const stop = this.guard.scan(chunk, from, resumed || this.guard.isOfStranger);
      const { begin, at } = this.guard;
      if (begin > from) {
        if (this.large === undefined) {
          const frames = begin - from === chunk.length ? chunk : chunk.subarray(from, begin);
          this.parser.execute(resumed ? this.unfinished.join(frames) : frames);
        } else {
          const args = this.large.argumentsWith(this.unfinished.join(chunk.subarray(rest, begin)));
          this.large = undefined;
          this.sink.request(args);
        }
      }
      switch (stop) {
        case 'more':
          if (begin < at) this.keepFrom(chunk, Math.max(begin, rest));
          break;
        case 'frame':
          break;
        case 'inline':
          this.runInline(this.unfinished.join(chunk.subarray(begin, at)));
          break;
        case 'empty':
          this.unfinished.clear();
          break;
        case 'error':
          this.fail(this.guard.errorText);
      }
      from = at;
    }
    if (this.becameStranger) this.judgeAnew();
  }

  /** As `push`, of a chunk that is borrowed: it is copied, but for what goes to a large element anyway. */
  pushBorrowed(chunk: Buffer): void {
    this.push(this.fillsLarge(chunk.length) ? chunk : Buffer.from(chunk));
  }

  /** The next `bytes` are a large element's alone, and are copied to their place. */
  fillsLarge(bytes: number): boolean {
    return this.large?.copies(bytes) === true;
  }

  /** What a RESET in the same chunk, or before it, has made too large. */
  private judgeAnew(): void {
    this.becameStranger = false;
    const { byteLength } = this.unfinished;
    if (byteLength === 0 || this.failed) return;
    if (this.large !== undefined || byteLength > strangerRequestBytesMax)
      return this.fail('ERR Protocol error: unauthenticated bulk length');
    this.guard.restart();
    this.push(this.unfinished.join(nothing));
  }

  /** Keeps what has come of an unfinished request, from `from` on; the bytes of a large element apart. */
  private keepFrom(chunk: Buffer, from: number): void {
    const { guard, unfinished } = this;
    if (this.bufferedBytes + chunk.length - from > this.limits.queryBufferBytesMax)
      return this.fail('ERR Protocol error: too big query buffer');
    const bulkAt = guard.bulkBytes < this.largeBytes ? -1 : chunk.length - guard.bulkBytesCome;
    if (bulkAt < from) {
      // Of no large element, or of one that began before and whose own bytes have gone their way.
      if (from < chunk.length) unfinished.keep(from === 0 ? chunk : chunk.subarray(from));
      return;
    }
    if (from < bulkAt) unfinished.keep(chunk.subarray(from, bulkAt));
    this.large ??= new LargeElements();
    this.large.begin(guard.bulkBytes, unfinished.byteLength);
    const end = bulkAt + this.large.fill(chunk, bulkAt);
    if (end < chunk.length) unfinished.keep(chunk.subarray(end));
  }

  private runInline(line: Buffer): void {
    const args = splitInlineArguments(line);
    if (args === null) this.fail('ERR Protocol error: unbalanced quotes in request');
    else if (args.length > 0) this.sink.request(args);
  }

  private fail(text: string): void {
    this.failed = true;
    this.unfinished.clear();
    this.large = undefined;
    this.sink.protocolError(text);
  }
}

function unexpected(error: Error): never {
  throw new Error('redis-parser refused a frame that the guard had passed', { cause: error });
}
