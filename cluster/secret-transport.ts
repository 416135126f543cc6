/**
 * A cluster's secret, proved on every stream between nodes before anything else is said or listened to: links, exchanges of gossip and probes alike. The secret itself is never sent.
 *
 *   dialer   -> magic, nonce D
 *   acceptor -> nonce A
 *   dialer   -> HMAC-SHA256(secret, "dialer", cluster-name, D, A)
 *   acceptor -> HMAC-SHA256(secret, "acceptor", cluster-name, D, A)
 *
 * The dialer proves itself first: whoever merely knocks gets nothing that guesses of the secret could be tried on. Both nonces are in both proofs, so what was recorded proves nothing later,
 * and the words of one side are not those of the other. What follows is as safe as the stream is: where others can change what is on its way, TLS is needed besides.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock, Random } from '../storage/clock.js';
import type { EventLog } from './events.js';
import type { PeerAddress, PeerStream, PeerStreamEvents, Transport } from './transport.js';

const magic = Buffer.from('TORCSEC1');
const nonceBytes = 32;
const proofBytes = 32;
const timeoutMs = 2000;
/** Streams that have not proved themselves yet, at once. */
const unprovedMax = 256;

export interface SecretTransportOptions {
  readonly inner: Transport;
  readonly secret: string;
  readonly clusterName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: EventLog;
}

/** Gives out exactly as many bytes as are waited for, in order. */
class Reader {
  private chunks: Buffer[] = [];
  private length = 0;

  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Undefined until there are so many. */
  take(bytes: number): Buffer | undefined {
    if (this.length < bytes) return undefined;
    const all = Buffer.concat(this.chunks, this.length);
    this.chunks = [all.subarray(bytes)];
    this.length -= bytes;
    return all.subarray(0, bytes);
  }

  /** What nobody waited for. */
  rest(): Buffer {
    return this.take(this.length) ?? Buffer.alloc(0);
  }

  /** Whether what has come so far is the beginning of `expected`. */
  beginsLike(expected: Buffer): boolean {
    const come = Buffer.concat(this.chunks, this.length).subarray(0, expected.length);
    return come.equals(expected.subarray(0, come.length));
  }
}

export class SecretTransport implements Transport {
  private unproved = 0;
  /** Addresses of which it was said already that they do not know the secret. */
  private readonly complained = new Set<string>();

  constructor(private readonly options: SecretTransportOptions) {}

  resolve(host: string, found: (addresses: readonly string[]) => void): void {
    this.options.inner.resolve(host, found);
  }

  connect(address: PeerAddress, events: PeerStreamEvents, opened: (stream: PeerStream) => void, failed: (reason: string) => void): void {
    const { inner, clock } = this.options;
    const reader = new Reader();
    const dialerNonce = this.nonce();
    let stream: PeerStream | undefined;
    let acceptorNonce: Buffer | undefined;
    let state: 'proving' | 'proved' | 'over' = 'proving';
    const give = (reason: string): void => {
      if (state !== 'proving') return;
      state = 'over';
      timeout?.cancel();
      stream?.close();
      if (stream !== undefined) this.complain(address, reason);
      failed(reason);
    };
    const step = (): void => {
      if (acceptorNonce === undefined) {
        acceptorNonce = reader.take(nonceBytes);
        if (acceptorNonce === undefined) return;
        stream?.write([this.proof('dialer', dialerNonce, acceptorNonce)]);
      }
      const proof = reader.take(proofBytes);
      if (proof === undefined || stream === undefined) return;
      if (!timingSafeEqual(proof, this.proof('acceptor', dialerNonce, acceptorNonce))) return give('it does not know the cluster-secret');
      state = 'proved';
      timeout?.cancel();
      this.complained.delete(nameOf(address));
      opened(stream);
      const rest = reader.rest();
      if (rest.length > 0) events.data(rest);
    };
    let timeout: ReturnType<Clock['after']> | undefined;
    inner.connect(
      address,
      {
        data: (chunk) => {
          if (state === 'proved') return events.data(chunk);
          if (state === 'over') return;
          reader.push(chunk);
          step();
        },
        closed: (reason) =>
          state === 'proved' ? events.closed(reason) : give(`it ended before it proved that it knows the cluster-secret: ${reason}`),
      },
      (given) => {
        if (state === 'over') return given.close();
        stream = given;
        timeout = clock.after(timeoutMs, () => give('it did not prove in time that it knows the cluster-secret'));
        given.write([Buffer.concat([magic, dialerNonce])]);
      },
      (reason) => give(reason),
    );
  }

  listen(accept: (stream: PeerStream) => PeerStreamEvents): void {
    this.options.inner.listen((stream) => this.demand(stream, accept));
  }

  private demand(stream: PeerStream, accept: (stream: PeerStream) => PeerStreamEvents): PeerStreamEvents {
    const reader = new Reader();
    const acceptorNonce = this.nonce();
    let dialerNonce: Buffer | undefined;
    let proved: PeerStreamEvents | undefined;
    let over = false;
    this.unproved++;
    const leave = (): void => {
      if (over) return;
      over = true;
      this.unproved--;
      timeout.cancel();
    };
    const refuse = (reason: string): void => {
      if (over) return;
      leave();
      stream.close();
      this.options.log('warn', `a stream from an unknown peer is closed: ${reason}`, { event: 'stream-closed', reason });
    };
    const timeout = this.options.clock.after(timeoutMs, () => refuse('it did not prove in time that it knows the cluster-secret'));
    if (this.unproved > unprovedMax) refuse(`${unprovedMax} others have not proved that they know the cluster-secret`);
    const step = (): void => {
      if (dialerNonce === undefined) {
        if (!reader.beginsLike(magic)) return refuse('it does not begin with a proof of the cluster-secret');
        dialerNonce = reader.take(magic.length + nonceBytes)?.subarray(magic.length);
        if (dialerNonce === undefined) return;
        stream.write([acceptorNonce]);
      }
      const proof = reader.take(proofBytes);
      if (proof === undefined) return;
      if (!timingSafeEqual(proof, this.proof('dialer', dialerNonce, acceptorNonce))) return refuse('it does not know the cluster-secret');
      leave();
      stream.write([this.proof('acceptor', dialerNonce, acceptorNonce)]);
      proved = accept(stream);
      const rest = reader.rest();
      if (rest.length > 0) proved.data(rest);
    };
    return {
      data: (chunk) => {
        if (proved !== undefined) return proved.data(chunk);
        if (over) return;
        reader.push(chunk);
        step();
      },
      closed: (reason) => {
        leave();
        proved?.closed(reason);
      },
    };
  }

  private nonce(): Buffer {
    const nonce = Buffer.alloc(nonceBytes);
    for (let at = 0; at < nonceBytes; at += 4) nonce.writeUInt32BE(this.options.random.integer(2 ** 32), at);
    return nonce;
  }

  private proof(side: 'dialer' | 'acceptor', dialerNonce: Buffer, acceptorNonce: Buffer): Buffer {
    const { secret, clusterName } = this.options;
    return createHmac('sha256', secret).update(`${side}\0${clusterName}\0`).update(dialerNonce).update(acceptorNonce).digest();
  }

  /** Once, until it has: a link dials on and on. */
  private complain(address: PeerAddress, reason: string): void {
    const name = nameOf(address);
    if (this.complained.has(name)) return;
    this.complained.add(name);
    this.options.log('warn', `the node at ${name} is not spoken to: ${reason}`, { event: 'peer-unproved', peer: name, reason });
  }
}

const nameOf = ({ host, port }: PeerAddress): string => `${host}:${port}`;
