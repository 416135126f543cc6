/**
 * Requests of one connection: bytes in any cut -> arguments.
 *
 * The frame guard decides where requests end and whether they are sound; redis-parser decodes them. It gets whole, checked frames only: a run
 * of pipelined commands in one chunk is one slice, without a copy; a request that spans chunks is joined once, when its last byte is there.
 *
 * Invariant: redis-parser holds nothing between two calls, and after a protocol error nothing more is decoded.
 */
import RedisParser from 'redis-parser';
import { FrameGuard, type RequestLimits } from './frame-guard.js';
import { splitInlineArguments } from './inline-arguments.js';
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
  private failed = false;
  /** The client was known when what has begun was let through, and is not any more. */
  private becameStranger = false;

  constructor(
    private readonly limits: RequestLimits,
    private readonly sink: RequestSink,
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
    return this.unfinished.byteLength;
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
      // Of a stranger's requests each may make it known, and what follows be allowed.
      const stop = this.guard.scan(chunk, from, resumed || this.guard.isOfStranger);
      const { begin, at } = this.guard;
      if (begin > from) {
        const frames = begin - from === chunk.length ? chunk : chunk.subarray(from, begin);
        this.parser.execute(resumed ? this.unfinished.join(frames) : frames);
      }
      switch (stop) {
        case 'more':
          if (begin < at) this.keep(begin === 0 ? chunk : chunk.subarray(begin));
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

  /** What a RESET in the same chunk, or before it, has made too large. */
  private judgeAnew(): void {
    this.becameStranger = false;
    const { byteLength } = this.unfinished;
    if (byteLength === 0 || this.failed) return;
    if (byteLength > strangerRequestBytesMax) return this.fail('ERR Protocol error: unauthenticated bulk length');
    this.guard.restart();
    this.push(this.unfinished.join(nothing));
  }

  private keep(tail: Buffer): void {
    if (this.unfinished.byteLength + tail.length > this.limits.queryBufferBytesMax) {
      this.fail('ERR Protocol error: too big query buffer');
    } else {
      this.unfinished.keep(tail);
    }
  }

  private runInline(line: Buffer): void {
    const args = splitInlineArguments(line);
    if (args === null) this.fail('ERR Protocol error: unbalanced quotes in request');
    else if (args.length > 0) this.sink.request(args);
  }

  private fail(text: string): void {
    this.failed = true;
    this.unfinished.clear();
    this.sink.protocolError(text);
  }
}

function unexpected(error: Error): never {
  throw new Error('redis-parser refused a frame that the guard had passed', { cause: error });
}
