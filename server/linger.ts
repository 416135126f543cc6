import type { Socket } from 'node:net';

/** How long a client may take to close its side of a connection that this node has ended. */
const lingerMs = 250;

/**
 * Once `socket` has been ended and all is handed to the system, the client has a moment to end its side, and is cut then: one that never does would keep its descriptor for ever. To be read meanwhile:
 * unread bytes would make the system reset the connection, and the last replies could be lost with it.
 */
export function linger(socket: Socket): void {
  socket.once('finish', () => {
    if (socket.readableEnded) return;
    const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
    socket.once('close', () => clearTimeout(timer));
  });
}
