/**
 * The seam of the network between peers: byte streams that keep order and may break, and what host names stand for now. Framing, hand-shake and meaning are
 * peer-link's; a simulated transport may cut, delay and reorder across streams, but never within one.
 */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

export interface PeerStreamEvents {
  /** `chunk` is owned by the receiver. */
  data(chunk: Buffer): void;
  /** Once, whatever the cause; nothing follows. `reason` is for the log. */
  closed(reason: string): void;
}

export interface PeerStream {
  /** Bytes accepted and not yet handed to the network. */
  readonly bufferedBytes: number;
  /** Queues the chunks in order, as one write. Buffers must not be mutated afterwards. Nothing happens on a closed stream. */
  write(chunks: readonly Buffer[]): void;
  /** Ends it; `closed` is called later, not within this call. */
  close(): void;
}

/** Asked anew each time: behind a name addresses come and go. */
export interface Resolver {
  /** Calls `found` with the addresses that `host` stands for now, an address for itself; none when that cannot be told. Never within this call. */
  resolve(host: string, found: (addresses: readonly string[]) => void): void;
}

export interface Transport extends Resolver {
  /** A host that is a name is resolved anew. Calls `opened` with the stream, or `failed`; exactly one of them, never within this call. */
  connect(address: PeerAddress, events: PeerStreamEvents, opened: (stream: PeerStream) => void, failed: (reason: string) => void): void;
  /** Accepts streams from now on; `accept` returns the events of the new stream. */
  listen(accept: (stream: PeerStream) => PeerStreamEvents): void;
}
