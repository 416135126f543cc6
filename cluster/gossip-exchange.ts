/**
 * One exchange of gossip over a stream of its own, which ends with it: no queue of batches stands before it, nodes that hold no link to each other can
 * have one, and that it was possible says that both directions work.
 *
 *   dialer   -> Hello {gossip}, everyone I know and how far
 *   acceptor -> Hello, what you lack, whom I want news of
 *   dialer   -> what you wanted
 *
 * Whoever has nothing to say closes instead.
 */
import { torc } from '../protocol/generated/messages.js';
import { beginFrame, framed, FrameSplitter } from '../protocol/peer/framing.js';
import type { Clock } from '../storage/clock.js';
import { decodeExchange, encodeExchange, exchangeBytesMax, type Exchange } from './gossip-codec.js';
import type { PeerAddress, PeerStream, Transport } from './transport.js';

/** An exchange that takes longer is given up. */
export const exchangeTimeoutMs = 2000;

/** Messages and bytes of all exchanges, hand-shakes included. */
export interface Traffic {
  messagesOut: number;
  bytesOut: number;
  messagesIn: number;
  bytesIn: number;
}

export interface ExchangeOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly greeting: () => torc.Hello.$Shape;
  readonly traffic: Traffic;
  /** Takes the news of a message and gives the answer to it. */
  readonly heard: (exchange: Exchange) => Exchange | undefined;
}

/** Sends one message. */
export function sendExchange(stream: PeerStream, exchange: Exchange, traffic: Traffic): void {
  send(stream, framed(torc.GossipExchange.encode(encodeExchange(exchange), beginFrame())), traffic);
}

/** Counts a message that came, its length's bytes included. */
export function countIn(traffic: Traffic, message: Buffer): void {
  traffic.messagesIn++;
  traffic.bytesIn += message.length + 4;
}

/** Dials `address` and has the exchange; `done` is called once, with what went wrong if something did. */
export function dialExchange(
  options: ExchangeOptions,
  address: PeerAddress,
  opening: Exchange,
  done: (failure: string | undefined) => void,
): void {
  const { transport, clock, greeting, traffic, heard } = options;
  const splitter = new FrameSplitter(exchangeBytesMax);
  let stream: PeerStream | undefined;
  let greeted = false;
  let ended = false;
  const end = (failure?: string): void => {
    if (ended) return;
    ended = true;
    timeout.cancel();
    stream?.close();
    done(failure);
  };
  const timeout = clock.after(exchangeTimeoutMs, () => end('it takes too long'));
  const message = (bytes: Buffer): void => {
    if (ended) return;
    countIn(traffic, bytes);
    if (!greeted) {
      greeted = true;
      const { refusal } = torc.Hello.decode(bytes);
      if (refusal !== '') end(refusal);
      return;
    }
    const answer = heard(decodeExchange(bytes));
    if (answer !== undefined && stream !== undefined) sendExchange(stream, answer, traffic);
    end();
  };
  transport.connect(
    address,
    {
      data: (chunk) => {
        if (ended) return;
        try {
          splitter.push(chunk, message);
        } catch (error) {
          end(String(error));
        }
      },
      closed: (reason) => end(greeted ? undefined : reason),
    },
    (opened) => {
      if (ended) return opened.close();
      stream = opened;
      send(opened, framed(torc.Hello.encode({ ...greeting(), gossip: true }, beginFrame())), traffic);
      sendExchange(opened, opening, traffic);
    },
    (reason) => end(reason),
  );
}

function send(stream: PeerStream, message: Buffer, traffic: Traffic): void {
  traffic.messagesOut++;
  traffic.bytesOut += message.length;
  stream.write([message]);
}
