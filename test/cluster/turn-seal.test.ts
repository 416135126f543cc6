/** What is written while a turn ends (a reply left, and the connection's next command ran at once) belongs to the next turn's bytes. */
import test from 'ava';
import { PeerLink } from '../../cluster/peer-link.js';
import { Settlement } from '../../cluster/settlement.js';
import type { PeerStreamEvents, Transport } from '../../cluster/transport.js';
import { torc } from '../../protocol/generated/messages.js';
import { frameChunks, FrameSplitter } from '../../protocol/peer/framing.js';
import { stillClock } from './links.js';

test('a batch that was gathered between seal and send waits for its own bytes', (t) => {
  const sent: torc.Frame[] = [];
  let events: PeerStreamEvents | undefined;
  const splitter = new FrameSplitter(1e6);
  let greeted = false;
  const transport: Transport = {
    resolve: () => undefined,
    listen: () => undefined,
    connect(_, given, opened) {
      events = given;
      opened({
        bufferedBytes: 0,
        close: () => undefined,
        write: (chunks) =>
          splitter.push(Buffer.concat(chunks), (message) => {
            if (greeted) sent.push(torc.Frame.decode(message));
            greeted = true;
          }),
      });
    },
  };
  const link = new PeerLink(
    {
      transport,
      clock: stillClock,
      random: { integer: () => 0 },
      greeting: () => ({ protocolVersion: 1 }),
      counter: () => 1,
      unackedBytesMax: 1e6,
      streamBufferBytesMax: 1e6,
      schedule: () => undefined,
    },
    { opened: () => undefined, broken: (reason) => t.fail(reason), refused: (reason) => t.fail(reason) },
    { host: 'h', port: 1 },
  );
  link.open();
  events?.data(Buffer.concat(frameChunks(torc.Hello.encode({ protocolVersion: 1 }).finish() as Buffer)));
  t.true(link.isOpen);
  const settled: number[] = [];
  const settlement = (counter: number): Settlement =>
    new Settlement(0, counter, 0, 3, false, undefined, 'OK', 1, () => settled.push(counter));
  link.sendBatch(settlement(1));
  link.seal(Buffer.from('one'));
  link.sendBatch(settlement(2));
  link.send();
  t.deepEqual(
    sent.map(({ batches }) => batches.toString()),
    ['one'],
  );
  link.acknowledged(1, 9, new Set());
  t.deepEqual(settled, [1]);
  link.seal(Buffer.from('two'));
  link.send();
  t.is(sent[1]?.batches.toString(), 'two');
});
