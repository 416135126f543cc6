/** What a node keeps of a partition for others is shown to whoever takes it over, until the way to it is gone: an engine that is read cannot be opened anew. */
import test from 'ava';
import { HandOff } from '../../cluster/hand-off.js';
import { HintExchange } from '../../cluster/hint-exchange.js';
import { Lives } from '../../cluster/lives.js';
import { Membership } from '../../cluster/membership.js';
import { Peer } from '../../cluster/peer.js';
import { Settlement } from '../../cluster/settlement.js';
import { Turn } from '../../cluster/turn.js';
import { torc } from '../../protocol/generated/messages.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { seededRandom, settled } from '../storage/log-fixtures.js';
import { openStore } from '../storage/store-fixtures.js';
import { PlayedLink } from './links.js';

const description = { nodeId: 'peer', host: 'h', clientPort: 1, peerPort: 2, zone: 'z', hostLabel: 'l' };

/** Counts who reads it. */
class ReadEngine extends MemoryEngine {
  readers = 0;

  override async *iterate(
    ...range: Parameters<MemoryEngine['iterate']>
  ): AsyncGenerator<readonly (readonly [key: Buffer, value: Buffer])[]> {
    this.readers++;
    try {
      yield* super.iterate(...range);
    } finally {
      this.readers--;
    }
  }
}

test('hints that are being shown to a peer are read no further once its stream is gone, whatever else waits for it', async (t) => {
  const played = new PlayedLink({ unackedBytesMax: 1 << 30 });
  const { link, clock } = played;
  const engine = new ReadEngine();
  const { store } = await openStore(engine, new MemoryLogFiles(), { clock });
  await played.open();
  const membership = new Membership();
  const turn = new Turn(clock, store, { seal: () => undefined, hold: () => false, send: () => link.send() });
  const handOff = new HandOff({
    store,
    membership,
    turn,
    clock,
    exchange: new HintExchange(clock, seededRandom(1), () => 1000),
    directives: { hintBytesMax: 1 << 30, hintAgeMaxMs: 1 << 30 },
    lives: new Lives(store, membership, 1),
    fetchMissing: () => undefined,
    handedOver: () => undefined,
    failed: (error) => t.fail(error.message),
  });
  for (let i = 0; i < 4; i++) store.hints.keep(3, 0, 0, Buffer.alloc(200 * 1024));
  await store.hints.writeOut();
  t.is(engine.readers, 0);
  const peer = new Peer(description, link, { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 });
  // Kept until the peer has stored it, over whatever stream.
  const large = new Settlement(0, 1, 0, 33 << 20, false, undefined, 'OK', 1, () => undefined);
  large.turnBytes = Buffer.alloc(33 << 20);
  link.sendLargeBatch(large);
  handOff.onHintPull(peer, torc.HintPull.create({ id: 1, partition: 0 }));
  await settled();
  await clock.advance(1);
  t.is(engine.readers, 1, 'it waits for the peer to take what is on its way');
  played.unreachable = true;
  played.stream.break();
  t.true(link.isCongested);
  await clock.advance(1);
  await clock.advance(1);
  t.is(engine.readers, 0);
});
