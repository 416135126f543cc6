/**
 * Reading sockets into one shared buffer. By itself the runtime allocates 64 KiB for every read of every connection and then cuts it down to what
 * came: for a client that sends one small command at a time that is a tenth of the command's cost. The documented `onread` option avoids it, but a
 * server's sockets do not offer it; so the accepted connection is handed over to a Socket made with it. Where that cannot be done, TLS or a
 * runtime without the handle, the socket is used as it is, with its own reads.
 *
 * Bound: of what has come, up to two mebibytes of each socket would be read in one turn of the event loop. After `readInTurnBytes` of all together, whoever sends more is read on in the next one.
 */
import { Socket } from 'node:net';

const readBytes = 65_536;
/** Reads are handed on, and copied by whoever keeps them, before the next one begins: one for all. */
const shared = Buffer.allocUnsafeSlow(readBytes);
const readInTurnBytes = 512 * 1024;
let sinceRestBytes = 0;
/** Read on in the next turn. */
const resting: Socket[] = [];

/** From a connection that was accepted with pauseOnConnect. `data` gets each read, borrowed or owned, from the next turn on; the Socket is the one to use from now on. */
export function readShared(accepted: Socket, data: (chunk: Buffer, isBorrowed: boolean) => void): Socket {
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
      data(buffer.subarray(0, length) as Buffer, true);
      sinceRestBytes += length;
      if (sinceRestBytes < readInTurnBytes) return true;
      rest(socket);
      return false;
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

function rest(socket: Socket): void {
  if (resting.push(socket) === 1) setImmediate(goOn);
}

function goOn(): void {
  sinceRestBytes = 0;
  for (const socket of resting.splice(0)) if (!socket.destroyed && !socket.isPaused()) socket.resume();
}
