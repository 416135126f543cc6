/** Other bytes under one dot: the majority of the home replicas decides; without one and with all asked, the bytes that sort last; every replica alike. */
import fc from '../harness/properties.js';
import test from 'ava';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { encodeRecordKey, recordPart, recordType } from '../../protocol/record-key.js';
import { encodeRecord, type VersionedRecord } from '../../protocol/record.js';
import { slotOf } from '../../protocol/slot.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { emptyRecord } from '../../storage/merge.js';
import { chosenPayloads, payloadsDiffer, withPayloadsOf } from '../../storage/payload-choice.js';
import { encodeBatches, openStore, plainRecord, type OpenedStore } from './store-fixtures.js';

const dot = { actor: 0x1_0001, counter: 9 };
const holding = (text: string): VersionedRecord => plainRecord(dot, text);
const textOf = (record: VersionedRecord | undefined): string | undefined =>
  record?.versions.map((version) => ('bytes' in version ? version.bytes.toString() : '')).join();

test('two of three decide, whoever asks', (t) => {
  t.is(textOf(chosenPayloads(holding('bad'), [holding('good'), holding('good')], 3)), 'good');
  t.is(chosenPayloads(holding('good'), [holding('zzz'), holding('good')], 3), undefined);
  t.is(chosenPayloads(holding('good'), [holding('good')], 3), undefined);
});

test('without a majority nothing is decided until all have answered; then the last in order', (t) => {
  t.is(chosenPayloads(holding('a'), [holding('b')], 3), undefined);
  t.is(chosenPayloads(holding('a'), [], 2), undefined);
  t.is(textOf(chosenPayloads(holding('a'), [holding('b')], 2)), 'b');
  t.is(chosenPayloads(holding('b'), [holding('a')], 2), undefined);
  t.is(textOf(chosenPayloads(holding('a'), [holding('b'), holding('c')], 3)), 'c');
});

test('a replica that holds another version has no say about this one', (t) => {
  const newer = plainRecord({ actor: dot.actor, counter: 12 }, 'newer');
  t.is(chosenPayloads(holding('a'), [newer, holding('b')], 3), undefined);
  t.is(chosenPayloads(holding('a'), [emptyRecord, emptyRecord], 3), undefined);
  t.false(payloadsDiffer(holding('a'), newer));
  t.false(payloadsDiffer(holding('a'), emptyRecord));
  t.true(payloadsDiffer(holding('a'), holding('b')));
  t.is(textOf(withPayloadsOf(holding('a'), newer)), 'a');
  t.is(textOf(withPayloadsOf(holding('a'), holding('b'))), 'b');
});

test('all who can ask all come to the same', (t) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 2, maxLength: 5 }), (texts) => {
      const chosen = texts.map((own, self) => {
        const others = texts.filter((_, i) => i !== self).map(holding);
        return textOf(chosenPayloads(holding(own), others, texts.length)) ?? own;
      });
      t.is(new Set(chosen).size, 1, `${texts.join()} became ${chosen.join()}`);
    }),
  );
});

test('a payload that was replaced stays so after a crash, over the row that the engine has', async (t) => {
  const [engine, files] = [new MemoryEngine(), new MemoryLogFiles()];
  const key = Buffer.from('k');
  const recordKey = encodeRecordKey(slotOf(key), key, recordType.string, recordPart.value);
  const shown = ({ store }: OpenedStore): string | undefined => store.partition(0).get('k')?.bytes.toString();
  const first = await openStore(engine, files);
  first.store.applyBatches(encodeBatches([{ partition: 0, dot, prev: 0, records: [['k', holding('bad')]] }]));
  await first.close();
  const second = await openStore(engine.reopened(), files);
  const transfer = { partition: 0, key: [recordKey], record: [encoded(holding('good'))], seen: Buffer.alloc(0) };
  const load = async ({ store }: OpenedStore): Promise<void> => {
    const loaded = new Promise<void>((resolve) => store.loader.load(store.partition(0), key, slotOf(key), resolve));
    store.loader.flush();
    await loaded;
  };
  await load(second);
  second.store.applyTransfer({ ...transfer, replaces: true });
  t.is(shown(second), 'bad', 'a peer cannot ask for it');
  second.store.applyTransfer(transfer, true);
  t.is(shown(second), 'good');
  second.store.endTurn(() => undefined);
  files.kill();
  const third = await openStore(engine.reopened(), files);
  await load(third);
  t.is(shown(third), 'good');
});

function encoded(record: VersionedRecord): Buffer {
  const writer = new ByteWriter();
  encodeRecord(writer, record);
  return writer.take();
}
