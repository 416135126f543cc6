/** What comes from a peer in pieces, at a node whose log takes nothing: it is not kept waiting, since whoever takes it refuses what would have to be written. */
import test from 'ava';
import { BulkIntake } from '../../cluster/bulk-intake.js';
import { BulkReceiver } from '../../cluster/bulk-receiver.js';
import { Peer } from '../../cluster/peer.js';
import { Replica } from '../../cluster/replica.js';
import { Turn } from '../../cluster/turn.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { torc } from '../../protocol/generated/messages.js';
import { encodeRecordKey, recordPart, recordType } from '../../protocol/record-key.js';
import { encodeRecord } from '../../protocol/record.js';
import { slotOf } from '../../protocol/slot.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { command, openStore, plainRecord } from '../storage/store-fixtures.js';
import { PlayedLink } from './links.js';

const description = { nodeId: 'peer', host: 'h', clientPort: 1, peerPort: 2, zone: 'z', hostLabel: 'l' };
const key = Buffer.from('k');

/** A frame with a record that is too large for one turn. */
function largeFrame(): Buffer {
  const writer = new ByteWriter();
  encodeRecord(writer, plainRecord({ actor: 2, counter: 9 }, 'v'.repeat(3 * 1024 * 1024)));
  const record = [writer.take()];
  const transfer = { id: 7, partition: 0, key: [encodeRecordKey(slotOf(key), key, recordType.string, recordPart.value)], record };
  return torc.Frame.encode({ clock: 1, transfers: [transfer] }).finish() as Buffer;
}

for (const isHeld of [false, true])
  test(`a large record is ${isHeld ? 'passed on at once, not logged,' : 'brought to the log first'} while the disk ${isHeld ? 'refuses' : 'takes'} writes`, async (t) => {
    const played = new PlayedLink();
    const { link, clock } = played;
    const files = new MemoryLogFiles();
    const { store, ...opened } = await openStore(new MemoryEngine(), files, { clock });
    await played.open();
    const peer = new Peer(description, link, { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 });
    const turn = new Turn(clock, store, { seal: () => undefined, hold: () => false, send: () => link.send() });
    const replica = new Replica(
      store,
      turn,
      () => undefined,
      () => true,
      undefined,
    );
    const taken: number[] = [];
    const intake = new BulkIntake({
      store,
      replica,
      clock,
      peers: () => [peer],
      take: (_, frame) => taken.push(...frame.transfers.map(({ id }) => id ?? 0)),
      log: () => undefined,
    });
    if (isHeld) {
      files.freeBytes = 0;
      command({ store, ...opened }, 1, 1, (transaction) => transaction.setString(key, Buffer.from('v'), 0));
      store.endTurn(() => t.fail());
      t.true(store.isHeld);
    }
    const { logBytes } = store.statistics();
    const bytes = largeFrame();
    const bulk = new BulkReceiver(1 << 26);
    intake.receive(peer, torc.BulkPiece.create({ id: 1, total: bytes.length, offset: 0, bytes }), bulk);
    const acknowledged = (): number[] => {
      link.send();
      return played.stream.frames.flatMap(({ bulkAcks }) => bulkAcks.map(({ received }) => received ?? 0));
    };
    if (!isHeld) {
      t.deepEqual([taken, acknowledged(), bulk.takingBytes], [[], [], bytes.length]);
      for (let turns = 0; turns < 20 && taken.length === 0; turns++) await clock.advance(0);
    }
    t.deepEqual([taken, acknowledged(), bulk.takingBytes], [[7], [bytes.length], 0]);
    for (let turns = 0; turns < 5; turns++) await clock.advance(0);
    t.is(store.statistics().logBytes > logBytes, !isHeld);
  });
