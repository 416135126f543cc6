/** What becomes of a stream from a peer when one of its frames cannot be taken: an acknowledgement counts for all before it. */
import test from 'ava';
import { Peers } from '../../cluster/peers.js';
import type { PeerStream, PeerStreamEvents, Transport } from '../../cluster/transport.js';
import { torc } from '../../protocol/generated/messages.js';
import { frameChunks } from '../../protocol/peer/framing.js';

const self = { nodeId: 'a', host: 'h', peerPort: 1, clientPort: 2, zone: '', hostLabel: '' };
const address = (nodeId: string): torc.NodeAddress.$Shape => ({ ...self, nodeId });

function accepted(take: (frame: torc.Frame) => boolean): {
  readonly peers: Peers;
  readonly stream: PeerStreamEvents;
  readonly isClosed: () => boolean;
  readonly send: (frame: torc.Frame.$Shape) => void;
} {
  let accept: ((stream: PeerStream) => PeerStreamEvents) | undefined;
  const transport: Transport = { connect: () => undefined, listen: (given) => (accept = given) };
  const peers = new Peers(
    {
      transport,
      clock: { wallMs: () => 0, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }), atTurnEnd: () => undefined },
      random: { integer: () => 0 },
      clusterName: 'torc',
      self,
      incarnation: 1,
      suspicion: { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 },
      unackedBytesMax: 1e6,
      counter: () => 1,
      schedule: () => undefined,
      log: () => undefined,
    },
    { opened: () => undefined, broken: () => undefined, frame: (_, frame) => take(frame), changed: () => undefined },
  );
  peers.listen();
  let closed = false;
  const stream = accept?.({ bufferedBytes: 0, write: () => undefined, close: () => (closed = true) });
  if (stream === undefined) throw new Error('nobody listens');
  const say = (message: Uint8Array): void => stream.data(Buffer.concat(frameChunks(Buffer.from(message))));
  say(torc.Hello.encode({ protocolVersion: 1, clusterName: 'torc', incarnation: 2, from: address('b') }).finish());
  return { peers, stream, isClosed: () => closed, send: (frame) => say(torc.Frame.encode(frame).finish()) };
}

test('after a frame that throws nothing more is taken from its stream', (t) => {
  const taken: number[] = [];
  const { send, isClosed } = accepted(({ clock }) => {
    if (clock === 2) throw new Error('malformed');
    taken.push(clock);
    return true;
  });
  send({ clock: 1 });
  send({ clock: 2 });
  t.true(isClosed());
  send({ clock: 3 });
  t.deepEqual(taken, [1]);
});

test('a stream whose batches were dropped is ended before anything of it is taken', (t) => {
  let ready = false;
  const taken: number[] = [];
  const { peers, send, isClosed } = accepted(({ clock }) => {
    if (ready) taken.push(clock);
    return ready;
  });
  send({ clock: 1, batches: Buffer.from('x') });
  t.false(isClosed());
  ready = true;
  peers.hear();
  t.true(isClosed());
  send({ clock: 2, batches: Buffer.from('x') });
  t.deepEqual(taken, []);
});
