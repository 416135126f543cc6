/** What the decoder's tests share: requests as bytes, and what a decoder makes of bytes that come in any cut. */
import { RequestDecoder, type RequestLimits } from '../../../protocol/resp/request-decoder.js';

/** Redis' own limits. */
export const redisLimits: RequestLimits = {
  multibulkMax: 2_147_483_647,
  bulkBytesMax: 512 * 1024 * 1024,
  inlineBytesMax: 64 * 1024,
  queryBufferBytesMax: 1024 * 1024 * 1024,
};

/** A request as clients send it. */
export function encodeRequest(args: readonly (Buffer | string)[]): Buffer {
  const parts = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) parts.push(Buffer.from(`$${Buffer.byteLength(arg)}\r\n`), Buffer.from(arg), Buffer.from('\r\n'));
  return Buffer.concat(parts);
}

export interface Decoded {
  /** Copied, so that they show what was passed at that moment. */
  readonly requests: Buffer[][];
  /** All protocol errors: never more than one. */
  readonly errors: string[];
}

export function newDecoder(limits: Partial<RequestLimits> = {}, largeBytes?: number): Decoded & { readonly decoder: RequestDecoder } {
  const requests: Buffer[][] = [];
  const errors: string[] = [];
  const decoder = new RequestDecoder(
    { ...redisLimits, ...limits },
    {
      request: (args) => requests.push(args.map((arg) => Buffer.from(arg))),
      protocolError: (text) => errors.push(text),
    },
    largeBytes,
  );
  return { decoder, requests, errors };
}

/** Decodes `stream` cut into pieces of the lengths in `cuts`, used again and again. Every piece has memory of its own. */
export function decodeCut(stream: Buffer, cuts: readonly number[], limits: Partial<RequestLimits> = {}, largeBytes?: number): Decoded {
  const { decoder, requests, errors } = newDecoder(limits, largeBytes);
  for (let at = 0, piece = 0; at < stream.length; piece++) {
    const length = cuts[piece % cuts.length] ?? stream.length;
    decoder.push(Buffer.from(stream.subarray(at, at + length)));
    at += length;
  }
  return { requests, errors };
}

/** The same of pieces that are lent, in memory that is written over after each. */
export function decodeLent(stream: Buffer, cuts: readonly number[], limits: Partial<RequestLimits> = {}, largeBytes?: number): Decoded {
  const { decoder, requests, errors } = newDecoder(limits, largeBytes);
  const lent = Buffer.alloc(Math.max(...cuts));
  for (let at = 0, piece = 0; at < stream.length; piece++) {
    const length = stream.copy(lent, 0, at, at + (cuts[piece % cuts.length] ?? stream.length));
    decoder.pushBorrowed(lent.subarray(0, length));
    lent.fill('?');
    at += length;
  }
  return { requests, errors };
}

export const decodeWhole = (stream: Buffer | string, limits: Partial<RequestLimits> = {}): Decoded =>
  decodeCut(Buffer.from(stream), [Infinity], limits);
