/** The replies of one client in the order of its commands: each is written when all before it are. */
import type { CallOptions } from '../cluster/call.js';
import { ownReply, type Reply } from '../protocol/resp/reply.js';
import { ReplyWriter } from '../protocol/resp/reply-writer.js';

/** Places that were written before the list of them is cut. */
const writtenMax = 1024;

/** What a client's calls share with those that arrived in the same bytes. */
export interface ClientOptions extends CallOptions {
  /** When the turn began in which they were read, ms of the monotonic clock. */
  readonly arrivedMs: number;
}

/** A command's place in the order of replies. */
export interface Place {
  reply: Reply | undefined;
  readonly options: ClientOptions;
  /** Name first; empty when they were given away. */
  readonly args: readonly Buffer[];
  /** Set for QUIT: nothing follows it. */
  readonly closes: boolean;
  /** CLIENT REPLY said that nothing is to be written. */
  readonly silent: boolean;
}

export class ReplyOrder {
  private readonly writer = new ReplyWriter();
  /** Oldest first; those before `head` were written. */
  private places: Place[] = [];
  private head = 0;
  /** A reply was written after which the client is to be left. */
  closes = false;
  private begins: { readonly place: Place; readonly begin: () => void } | undefined;

  /** Commands that were not answered, or whose replies wait for those before them. */
  get pending(): number {
    return this.places.length - this.head;
  }

  /** Bytes that `take` would give. */
  get bytes(): number {
    return this.writer.pendingBytes;
  }

  add(place: Place): void {
    this.places.push(place);
  }

  /** Adds a place whose command begins, by `begin`, when all before it were answered. No other may be added until it has begun. */
  addLast(place: Place, begin: () => void): void {
    this.places.push(place);
    if (this.places[this.head] === place) return begin();
    this.begins = { place, begin };
  }

  /** Gives a place its reply, which is copied where it has to wait for those before it. Returns whether it was written. */
  settle(place: Place, reply: Reply): boolean {
    if (this.places[this.head] !== place) {
      place.reply = ownReply(reply);
      return false;
    }
    place.reply = reply;
    for (;;) {
      const first = this.places[this.head];
      if (first?.reply === undefined) break;
      if (!first.silent) this.writer.write(first.reply, first.options.resp);
      this.head++;
      this.closes ||= first.closes;
    }
    const { begins } = this;
    if (begins !== undefined && this.places[this.head] === begins.place) {
      this.begins = undefined;
      begins.begin();
    } else this.forgetWritten();
    return true;
  }

  /** What was written since the last call, to be sent. */
  take(): Buffer[] {
    return this.writer.take();
  }

  private forgetWritten(): void {
    if (this.head === this.places.length) {
      this.places.length = 0;
      this.head = 0;
    } else if (this.head > writtenMax) {
      this.places = this.places.slice(this.head);
      this.head = 0;
    }
  }
}
