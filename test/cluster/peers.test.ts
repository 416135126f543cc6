/**
 * Streams from peers: what becomes of one when one of its frames cannot be taken (an acknowledgement counts for all before it), and who is believed
 * to be a peer that moved or began anew.
 */
import test from 'ava';
import { Peers } from '../../cluster/peers.js';
import type { PeerAddress, PeerStream, PeerStreamEvents, Transport } from '../../cluster/transport.js';
import { torc } from '../../protocol/generated/messages.js';
import { frameChunks } from '../../protocol/peer/framing.js';
import { stillClock } from './links.js';

const self = { nodeId: 'a', host: 'h', peerPort: 1, clientPort: 2, zone: '', hostLabel: '' };
const address = (nodeId: string): torc.NodeAddress.$Shape => ({ ...self, nodeId });

function accepted(take: (frame: torc.Frame) => boolean): {
  readonly peers: Peers;
  readonly stream: PeerStreamEvents;
  readonly isClosed: () => boolean;
  readonly send: (frame: torc.Frame.$Shape) => void;
} {
  let accept: ((stream: PeerStream) => PeerStreamEvents) | undefined;
  const transport: Transport = { resolve: () => undefined, connect: () => undefined, listen: (given) => (accept = given) };
  const peers = new Peers(
    {
      transport,
      clock: stillClock,
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
    {
      opened: () => undefined,
      broken: () => undefined,
      speaks: () => undefined,
      ended: () => undefined,
      frame: (_, frame) => take(frame),
      changed: () => undefined,
      suspected: () => undefined,
      gossip: () => undefined,
    },
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

/** One stream, as this node's side sees it: what it wrote, and whether it closed it. */
class Seen implements PeerStream {
  readonly bufferedBytes = 0;
  readonly said: Buffer[] = [];
  isClosed = false;

  write(chunks: readonly Buffer[]): void {
    this.said.push(Buffer.concat(chunks));
  }

  close(): void {
    this.isClosed = true;
  }

  /** The first word on it. */
  get greeting(): torc.Hello | undefined {
    const [first] = this.said;
    return first === undefined ? undefined : torc.Hello.decode(first.subarray(4));
  }
}

interface Dial {
  readonly to: PeerAddress;
  /** Someone answers, with these words; without any, nobody is there. */
  readonly answer: (hello?: torc.Hello.$Shape) => Seen;
}

interface Caller {
  readonly stream: Seen;
  readonly events: PeerStreamEvents;
}

/** Node a, to whom the test plays all others. */
class PlayedOthers {
  readonly dials: Dial[] = [];
  readonly broken: string[] = [];
  readonly taken: number[] = [];
  private accept: ((stream: PeerStream) => PeerStreamEvents) | undefined;
  readonly peers = new Peers(
    {
      transport: {
        resolve: () => undefined,
        connect: (to, events, opened, failed) => {
          const answer = (hello?: torc.Hello.$Shape): Seen => {
            const stream = new Seen();
            if (hello === undefined) failed('refused');
            else {
              opened(stream);
              events.data(helloBytes(hello));
            }
            return stream;
          };
          this.dials.push({ to, answer });
        },
        listen: (accept) => (this.accept = accept),
      },
      clock: stillClock,
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
    {
      opened: () => undefined,
      broken: ({ nodeId }) => this.broken.push(nodeId),
      speaks: () => undefined,
      ended: () => undefined,
      frame: (_, { clock }) => this.taken.push(clock) > 0,
      changed: () => undefined,
      suspected: () => undefined,
      gossip: () => undefined,
    },
  );

  constructor() {
    this.peers.listen();
  }

  call(hello: torc.Hello.$Shape): Caller {
    const stream = new Seen();
    const events = this.accept?.(stream);
    if (events === undefined) throw new Error('nobody listens');
    events.data(helloBytes(hello));
    return { stream, events };
  }

  dial(at: number): Dial {
    const dial = this.dials[at];
    if (dial === undefined) throw new Error(`${this.dials.length} dials`);
    return dial;
  }
}

const b = { ...address('b'), host: 'b', peerPort: 1 };
const helloBytes = (hello: torc.Hello.$Shape): Buffer =>
  framesOf(torc.Hello.encode({ protocolVersion: 1, clusterName: 'torc', incarnation: 2, from: b, ...hello }).finish());
const framesOf = (message: Uint8Array): Buffer => Buffer.concat(frameChunks(Buffer.from(message)));
const clockFrame = (clock: number): Buffer => framesOf(torc.Frame.encode({ clock }).finish());

/** Node a with its link to b open, and b's to a. */
function linked(): { readonly others: PlayedOthers; readonly link: Seen; readonly caller: Caller } {
  const others = new PlayedOthers();
  const caller = others.call({});
  return { others, link: others.dial(0).answer({}), caller };
}

for (const [claim, hello] of [
  ['to have moved', { from: { ...b, host: 'elsewhere' } }],
  ['to have begun anew', { incarnation: 3 }],
] as const) {
  for (const [whoIsThere, answer] of [
    ['who is there refuses', { refusal: 'no' }],
    ['another run of the process is there', { incarnation: 4 }],
    ['another node is there', { ...hello, from: { ...b, nodeId: 'c' } }],
  ] as const) {
    test(`a caller claims ${claim}, and ${whoIsThere}: the link stands`, (t) => {
      const { others, link, caller } = linked();
      const liar = others.call(hello);
      t.deepEqual(liar.stream.said, []);
      others.dial(1).answer(answer);
      t.regex(liar.stream.greeting?.refusal ?? '', /does not answer at/);
      t.true(liar.stream.isClosed);
      liar.events.data(clockFrame(7));
      caller.events.data(clockFrame(8));
      t.deepEqual(others.taken, [8]);
      t.deepEqual(others.broken, []);
      t.false(link.isClosed);
      t.is(others.peers.get('b')?.description.host, 'b');
      t.is(others.dials.length, 2);
    });
  }

  test(`a caller claims ${claim}, and is found there: the link begins anew, and the caller is welcome`, (t) => {
    const { others, link } = linked();
    const { stream, events } = others.call(hello);
    t.deepEqual(stream.said, []);
    t.false(link.isClosed);
    const { to, answer } = others.dial(1);
    t.is(to.host, hello.from?.host ?? 'b');
    t.true(answer(hello).isClosed);
    t.is(stream.greeting?.refusal, '');
    t.true(link.isClosed);
    t.deepEqual(others.broken, ['b']);
    t.is(others.dial(2).to.host, to.host);
    others.dial(2).answer(hello);
    t.true(others.peers.get('b')?.reachable);
    events.data(clockFrame(7));
    t.deepEqual(others.taken, [7]);
  });
}

test('a caller that speaks while its claim is looked into is not heard', (t) => {
  const { others } = linked();
  const { stream, events } = others.call({ incarnation: 3 });
  events.data(clockFrame(7));
  t.true(stream.isClosed);
  others.dial(1).answer({ incarnation: 3 });
  t.deepEqual(others.taken, []);
  t.deepEqual(others.broken, []);
});

test('who dialled itself is answered and not met', (t) => {
  const others = new PlayedOthers();
  t.is(others.call({ from: self, incarnation: 1 }).stream.greeting?.refusal, '');
  t.deepEqual([...others.peers.all()], []);
});

const stranger = (at: number): torc.Hello.$Shape => ({ from: { ...b, nodeId: `stranger ${at}`, host: `${at}` } });

test('with a configuration, who is no member is known as long as its stream is open', (t) => {
  const { others, link, caller } = linked();
  others.peers.dialSeed({ host: 'seed', port: 1 });
  const seed = others.dial(1).answer({ from: { ...b, nodeId: 'seed' } });
  const member = others.peers.get('b');
  if (member === undefined) return t.fail();
  member.member = 0;
  others.peers.hear();
  t.is(others.peers.get('seed'), undefined);
  t.true(seed.isClosed);

  const first = others.call(stranger(1));
  const link1 = others.dial(2).answer(stranger(1));
  const again = others.call(stranger(1));
  first.events.closed('gone');
  t.not(others.peers.get('stranger 1'), undefined);
  again.events.closed('gone');
  t.is(others.peers.get('stranger 1'), undefined);
  t.true(link1.isClosed);

  caller.events.closed('gone');
  t.is(others.peers.get('b'), member);
  t.false(link.isClosed);
});

test('with a configuration, only so many are known that are no members', (t) => {
  const { others } = linked();
  const member = others.peers.get('b');
  if (member === undefined) return t.fail();
  member.member = 0;
  others.peers.hear();
  const callers = Array.from({ length: 64 }, (_, at) => others.call(stranger(at)));
  t.true(callers.every(({ stream }) => stream.greeting?.refusal === ''));
  const refused = others.call(stranger(64));
  t.is(refused.stream.greeting?.refusal, "'stranger 64' is no member, and 64 others that are none are connected");
  t.true(refused.stream.isClosed);
  t.is(others.peers.get('stranger 64'), undefined);
  t.is(others.call({}).stream.greeting?.refusal, '');
  callers[0]?.events.closed('gone');
  t.is(others.call(stranger(64)).stream.greeting?.refusal, '');
});
