/**
 * Reading sockets into one shared buffer. By itself the runtime allocates 64 KiB for every read of every connection and then cuts it down to what
 * came: for a client that sends one small command at a time that is a tenth of the command's cost. The documented `onread` option avoids it, but a
 * server's sockets do not offer it; so the accepted connection is handed over to a Socket made with it. Where that cannot be done, TLS or a
 * runtime without the handle, the socket is used as it is, with its own reads.
 *
 * Bound: of what has come, up to two mebibytes of each socket would be read in one turn of the event loop. After so many bytes of all that share a budget, or when reading
 * and running what was read has taken so long, each that still has something to read is read once more, and on in the next turn.
 */
import { Socket } from 'node:net';

const readBytes = 65_536;
/** Reads are handed on, and copied by whoever keeps them, before the next one begins: one for all. */
const shared = Buffer.allocUnsafeSlow(readBytes);

/** Nothing more is read than what fills the buffer once: a turn's first full read was so long ago. */
const readMs = 2;

/** How much of what several sockets send is read before others get their turn. TLS reads by itself, and without it. */
export class ReadBudget {
  private spentBytes = 0;
  /** When the turn's first full read came; -1 = none has. */
  private firstMs = -1;
  private scheduled = false;
  /** Read on in the next turn. */
  private resting: Socket[] = [];

  constructor(
    private readonly bytesMax: number,
    private readonly monotonicMs = (): number => performance.now(),
  ) {}

  /** A read comes that fills the buffer: more is behind it. */
  begin(): void {
    if (this.firstMs >= 0) return;
    this.firstMs = this.monotonicMs();
    this.schedule();
  }

  /** Counts what was read, when it has been dealt with. False: the socket rests, and is read on in the next turn, unless somebody has paused it by then. */
  spend(bytes: number, socket: Socket): boolean {
    this.spentBytes += bytes;
    const hasTime = this.firstMs < 0 || this.monotonicMs() - this.firstMs < readMs;
    if (this.spentBytes < this.bytesMax && hasTime) return true;
    this.resting.push(socket);
    this.schedule();
    return false;
  }

  private schedule(): void {
    if (!this.scheduled) setImmediate(this.goOn);
    this.scheduled = true;
  }

  private readonly goOn = (): void => {
    const { resting } = this;
    this.scheduled = false;
    this.resting = [];
    this.spentBytes = 0;
    this.firstMs = -1;
    for (const socket of resting) if (!socket.destroyed && !socket.isPaused()) socket.resume();
  };
}

/** From a connection that was accepted with pauseOnConnect. `data` gets each read, borrowed or owned, from the next turn on; the Socket is the one to use from now on. */
export function readShared(accepted: Socket, data: (chunk: Buffer, isBorrowed: boolean) => void, budget: ReadBudget): Socket {
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (accepted.constructor !== Socket || typeof handle !== 'object' || handle === null) {
    accepted.on('data', (chunk) => data(chunk, false));
    accepted.resume();
    return accepted;
  }
  Reflect.set(accepted, '_handle', null);
  const onread = {
    buffer: shared,
    callback(length: number, buffer: Uint8Array): boolean {
      if (length === readBytes) budget.begin();
      data(buffer.subarray(0, length) as Buffer, true);
      return budget.spend(length, socket);
    },
  };
  // The types know neither handle nor onread here.
  const socket: Socket = asSocket(
    Reflect.construct(Socket, [{ handle, onread, pauseOnCreate: true, allowHalfOpen: accepted.allowHalfOpen }]),
  );
  socket.setNoDelay(true);
  socket.resume();
  return socket;
}

function asSocket(made: unknown): Socket {
  if (!(made instanceof Socket)) throw new Error('a Socket is none');
  return made;
}
