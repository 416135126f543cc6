/** Other bytes under one dot: the majority of the home replicas decides; without one and with all asked, the bytes that sort last; every replica alike. */
import fc from 'fast-check';
import test from 'ava';
import type { VersionedRecord } from '../../protocol/record.js';
import { emptyRecord } from '../../storage/merge.js';
import { chosenPayloads, payloadsDiffer, withPayloadsOf } from '../../storage/payload-choice.js';
import { plainRecord } from './store-fixtures.js';

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
