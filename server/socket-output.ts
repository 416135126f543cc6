/**
 * What goes to one client or peer. The system copies what it is handed within the call, and may pass it on to a client of this machine in the same: ten milliseconds for a
 * reply of some ten megabytes. So of what is long it gets a piece a turn of the event loop, for each socket, and each when it has taken the one before.
 */
import type { Socket } from 'node:net';

/** Copied in a millisecond, where memory is not dear. */
const pieceBytesUsual = 1024 * 1024;

export class SocketOutput {
  /** Oldest first; what was not handed over yet. */
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  /** Nothing comes after what waits. */
  private ends = false;

  /** `taken`: the system has taken a piece of what waited. Of what was handed over at once the socket says `drain`. */
  constructor(
    private readonly socket: Socket,
    private readonly taken: () => void = () => undefined,
    private readonly pieceBytes = pieceBytesUsual,
  ) {}

  /** Bytes that the other side has not taken. */
  get untakenBytes(): number {
    return this.socket.writableLength + this.waitingBytes;
  }

  /** `chunks`, of `bytes` together, are given away. */
  write(chunks: readonly Buffer[], bytes: number): void {
    const isIdle = this.waitingBytes === 0;
    if (isIdle && bytes <= this.pieceBytes) return this.hand(chunks);
    for (const chunk of chunks) this.waiting.push(chunk);
    this.waitingBytes += bytes;
    if (isIdle) this.handNext();
  }

  /** Ends this side of the connection behind what was written. */
  end(): void {
    if (this.waitingBytes === 0) this.socket.end();
    else this.ends = true;
  }

  private hand(chunks: readonly Buffer[], taken?: (error?: Error | null) => void): void {
    const { socket } = this;
    if (chunks.length > 1) socket.cork();
    const last = chunks.length - 1;
    for (let i = 0; i < last; i++) socket.write(chunks[i] as Buffer);
    if (last >= 0) socket.write(chunks[last] as Buffer, taken);
    if (chunks.length > 1) socket.uncork();
  }

  private handNext(): void {
    if (this.socket.destroyed || this.socket.writableEnded) return this.drop();
    const { pieceBytes } = this;
    const piece: Buffer[] = [];
    let bytes = 0;
    let taken = 0;
    for (const chunk of this.waiting) {
      const room = pieceBytes - bytes;
      if (chunk.length > room) {
        piece.push(chunk.subarray(0, room));
        this.waiting[taken] = chunk.subarray(room);
        bytes = pieceBytes;
        break;
      }
      piece.push(chunk);
      bytes += chunk.length;
      taken++;
    }
    this.waiting = this.waiting.slice(taken);
    this.waitingBytes -= bytes;
    const isLast = this.waitingBytes === 0;
    this.hand(piece, (error) => {
      if (error) return this.drop();
      if (!isLast) setImmediate(() => this.handNext());
      this.taken();
    });
    if (isLast && this.ends) this.socket.end();
  }

  /** The connection is gone. */
  private drop(): void {
    this.waiting = [];
    this.waitingBytes = 0;
  }
}
