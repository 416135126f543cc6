/**
 * The frame guard: finds where requests end, and refuses those that redis-parser must not see.
 *
 * redis-parser trusts its input: it allocates whatever `*N` claims, checks no length, knows no inline commands. So the guard walks over
 * the stream first, header by header, jumping over the bytes of bulks. It keeps no bytes, only where it stopped:
 *
 *     *3\r\n  $3\r\n  SET\r\n  $1\r\n  k\r\n  $64\r\n  vvvvvvvvvvv...\r\n
 *     ------  ------  -----    ...
 *     line    line    body     a line's state: its length, first byte, sign, value so far, whether it is malformed, whether CR was seen
 *                              a body's state: how many bytes are missing, its CR LF included
 *
 * Invariant: a bulk's bytes are never looked at, a line's only a fixed few times, however the stream is cut; and the same stream gives the
 * same requests and errors under every cut.
 * Limits and texts are those of Redis 7 (networking.c, processInlineBuffer and processMultibulkBuffer), also where it is lax: the
 * bytes after a header's CR and after a bulk are skipped unseen. In one thing the guard is sooner: a NUL in a line makes Redis wait until the
 * line is too long; here it is an invalid length or, in an inline command, the end of the line. A byte beyond ASCII is quoted as Latin-1.
 */

import { HeaderLine } from './header-line.js';

/** Bounds on what a client may send. Redis' names: multibulk 2147483647 elements, proto-max-bulk-len 512 MB, inline 64 KB, client-query-buffer-limit 1 GB. */
export interface RequestLimits {
  /** The most elements of one request. An element costs some hundred bytes of memory beyond its own: Redis' limit is not safe here, a million is. */
  readonly multibulkMax: number;
  /** The most bytes of one element. */
  readonly bulkBytesMax: number;
  /** The most bytes of an inline command or of one header line, without the LF or CR that ends it. */
  readonly inlineBytesMax: number;
  /** The most bytes of requests that have begun and not ended. */
  readonly queryBufferBytesMax: number;
}

/**
 * Why a scan stopped:
 *   more    at the chunk's end; the bytes from `begin` on are an unfinished request
 *   frame   after one whole request, as was asked
 *   inline  after an inline command, which lies between `begin` and `at`
 *   empty   after `*0` or `*-1`, which lies between `begin` and `at` and asks for nothing
 *   error   at a protocol error, `errorText`
 */
export type ScanStop = 'more' | 'frame' | 'inline' | 'empty' | 'error';

/** Of clients that have not said who they are (authRequired in Redis' networking.c): enough for AUTH and HELLO, and nothing to fill memory with. */
const strangerMultibulkMax = 10;
const strangerBulkBytesMax = 16384;

const star = 0x2a;
const dollar = 0x24;
const zero = 0x30;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

export class FrameGuard {
  /** Where the whole requests of the last scan end, and the inline, empty, unfinished or wrong one begins. */
  begin = 0;
  /** Where the last scan stopped. */
  at = 0;
  /** After `error`: the reply's text. */
  errorText = '';

  /** Elements of the current request that have not ended; 0 between requests and in its first line. */
  private elementsLeft = 0;
  /** Bytes of the current bulk that have not come, its CR LF included. */
  private bytesMissing = 0;
  /** Of the bulk that began last, without its CR LF. */
  private bulkLength = 0;
  private readonly line = new HeaderLine();

  /** Counts and lengths up to this have three digits at most and are within both limits. */
  private smallMax: number;
  private ofStranger = false;

  constructor(private readonly limits: RequestLimits) {
    this.smallMax = Math.min(999, limits.multibulkMax, limits.bulkBytesMax);
  }

  /** The client has not said who it is, and has to: its requests may be small only. */
  get isOfStranger(): boolean {
    return this.ofStranger;
  }

  set isOfStranger(isOfStranger: boolean) {
    this.ofStranger = isOfStranger;
    const { multibulkMax, bulkBytesMax } = this.limits;
    this.smallMax = Math.min(isOfStranger ? strangerMultibulkMax : 999, multibulkMax, bulkBytesMax);
  }

  /** The next scan is of the beginning of a request. */
  restart(): void {
    this.elementsLeft = 0;
    this.bytesMissing = 0;
    this.line.reset();
  }

  /** The bulk in whose middle, or before whose first byte, the last scan stopped: its bytes, without its CR LF; 0 = in none. */
  get bulkBytes(): number {
    return this.bytesMissing === 0 ? 0 : this.bulkLength;
  }

  /** How much of that, and of its CR LF, has come. */
  get bulkBytesCome(): number {
    return this.bulkLength + 2 - this.bytesMissing;
  }

  /**
   * Goes on from where the last scan stopped, which is `from` in `chunk`. Whole arrays of bulks are passed over without stopping, unless
   * `stopAfterOne`. Time is proportional to headers, not to bytes.
   */
  scan(chunk: Buffer, from: number, stopAfterOne: boolean): ScanStop {
    const end = chunk.length;
    const line = this.line;
    const smallMax = this.smallMax;
    let at = from;
    let begin = from;
    let elementsLeft = this.elementsLeft;
    let bytesMissing = this.bytesMissing;
    let bulkLength = this.bulkLength;
    let stop: ScanStop = 'more';

    while (at < end) {
      if (bytesMissing > 0) {
        if (bytesMissing > end - at) {
          bytesMissing -= end - at;
          at = end;
          break;
        }
        at += bytesMissing;
        bytesMissing = 0;
        if (--elementsLeft > 0) continue;
        begin = at;
        if (stopAfterOne) {
          stop = 'frame';
          break;
        }
        continue;
      }

      // The usual header, `$` or `*` and one to three digits, is read here without any state: with the byte after CR it has six bytes at most.
      if (line.length === 0 && at + 5 < end) {
        const first = chunk[at] as number;
        if (first === (elementsLeft > 0 ? dollar : star)) {
          let next = at + 1;
          let value = (chunk[next++] as number) - zero;
          if (value >= 1 && value <= 9) {
            let byte = chunk[next++] as number;
            if (byte >= zero && byte <= 0x39) {
              value = value * 10 + byte - zero;
              byte = chunk[next++] as number;
              if (byte >= zero && byte <= 0x39) {
                value = value * 10 + byte - zero;
                byte = chunk[next++] as number;
              }
            }
            if (byte === carriageReturn && value <= smallMax) {
              at = next + 1;
              if (elementsLeft > 0) bytesMissing = (bulkLength = value) + 2;
              else elementsLeft = value;
              continue;
            }
          }
        }
      }

      if (elementsLeft === 0 && (line.length === 0 ? chunk[at] : line.first) !== star) {
        stop = this.scanInline(chunk, at);
        at = this.at;
        break;
      }

      at = line.read(chunk, at);
      const fault = this.headerFault(elementsLeft > 0);
      if (fault !== '') {
        stop = this.refuse(fault);
        break;
      }
      if (!line.ended) break;
      const count = line.count();
      line.reset();
      if (elementsLeft > 0) {
        bulkLength = count;
        bytesMissing = count + 2;
      } else if (count > 0) {
        elementsLeft = count;
      } else {
        stop = 'empty';
        break;
      }
    }

    this.begin = begin;
    this.at = at;
    this.elementsLeft = elementsLeft;
    this.bytesMissing = bytesMissing;
    this.bulkLength = bulkLength;
    return stop;
  }

  /** Looks for the end of an inline command, and leaves in `this.at` where it stopped. */
  private scanInline(chunk: Buffer, at: number): ScanStop {
    const line = this.line;
    const feed = chunk.indexOf(lineFeed, at);
    const lineEnd = feed < 0 ? chunk.length : feed;
    if (line.length === 0) line.first = chunk[at] as number;
    line.length += lineEnd - at;
    this.at = feed < 0 ? lineEnd : lineEnd + 1;
    if (line.length > this.limits.inlineBytesMax) return this.refuse('too big inline request');
    if (feed < 0) return 'more';
    line.reset();
    return 'inline';
  }

  /** What is wrong with the header line so far, or ''. A line's value is judged when all of it is there, as Redis does. */
  private headerFault(ofElement: boolean): string {
    const line = this.line;
    if (line.length > this.limits.inlineBytesMax) return ofElement ? 'too big bulk count string' : 'too big mbulk count string';
    if (!line.ended) return '';
    const count = line.count();
    if (!ofElement) {
      if (!(count <= this.limits.multibulkMax)) return 'invalid multibulk length'; // nor what is no number
      return this.ofStranger && count > strangerMultibulkMax ? 'unauthenticated multibulk length' : '';
    }
    if (line.first !== dollar) {
      const lineBreak = line.first === carriageReturn || line.first === lineFeed;
      return `expected '$', got '${lineBreak ? ' ' : String.fromCharCode(line.first)}'`;
    }
    if (!(count >= 0 && count <= this.limits.bulkBytesMax)) return 'invalid bulk length';
    return this.ofStranger && count > strangerBulkBytesMax ? 'unauthenticated bulk length' : '';
  }

  private refuse(text: string): ScanStop {
    this.errorText = `ERR Protocol error: ${text}`;
    return 'error';
  }
}
