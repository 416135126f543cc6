/**
 * Reading sockets into one shared buffer. By itself the runtime allocates 64 KiB for every read of every connection and then cuts it down to what
 * came: for a client that sends one small command at a time that is a tenth of the command's cost. The documented `onread` option avoids it, but a
 * server's sockets do not offer it; so the accepted connection is handed over to a Socket made with it. Where that cannot be done, TLS or a
 * runtime without the handle, the socket is used as it is, with its own reads.
 */
import { Socket } from 'node:net';

const readBytes = 65_536;
/** Reads are handed on, copied, before the next one begins: one for all. */
const shared = Buffer.allocUnsafeSlow(readBytes);

/** From a connection that was accepted with pauseOnConnect. `data` gets each read, owned, from the next turn on; the Socket is the one to use from now on. */
export function readShared(accepted: Socket, data: (chunk: Buffer) => void): Socket {
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (accepted.constructor !== Socket || typeof handle !== 'object' || handle === null) {
    accepted.on('data', data);
    accepted.resume();
    return accepted;
  }
  Reflect.set(accepted, '_handle', null);
  const onread = {
    buffer: shared,
    callback(length: number, buffer: Uint8Array): boolean {
      data(Buffer.from(buffer.subarray(0, length) as Buffer));
      return true;
    },
  };
  const socket: unknown = Reflect.construct(Socket, [{ handle, onread, pauseOnCreate: true, allowHalfOpen: accepted.allowHalfOpen }]); // the types know neither handle nor onread here
  if (!(socket instanceof Socket)) throw new Error('a Socket is none');
  socket.setNoDelay(true);
  socket.resume();
  return socket;
}
