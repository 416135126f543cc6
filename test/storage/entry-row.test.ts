import test from 'ava';
import fc from '../harness/properties.js';
import { EntryRow } from '../../storage/entry-row.js';

const sizes = fc.oneof(fc.nat(20), fc.constantFrom(4, 5, 8_191, 8_192, 8_193, 20_000));

test('a row and its copies are each as arrays are, whichever is written to', (t) => {
  const act = fc.record({
    which: fc.nat(3),
    at: fc.nat(30_000),
    what: fc.constantFrom('set', 'push', 'pop', 'copy'),
    length: fc.nat(30_000),
  });
  const property = fc.property(sizes, fc.array(act, { maxLength: 40 }), (size, acts) => {
    const first = Array.from({ length: size }, (_, i) => i * 3);
    const rows = [{ row: EntryRow.of(first), model: first }];
    for (const [step, { which, at, what, length }] of acts.entries()) {
      const { row, model } = rows[which % rows.length] as (typeof rows)[number];
      if (what === 'push') {
        row.push(-1 - step);
        model.push(-1 - step);
      } else if (what === 'copy') {
        const kept = length % (model.length + 1);
        rows.push({ row: row.copy(kept), model: model.slice(0, kept) });
      } else if (model.length > 0 && what === 'pop') {
        row.pop();
        model.pop();
      } else if (model.length > 0) {
        row.set(at % model.length, 1_000_000 + step);
        model[at % model.length] = 1_000_000 + step;
      }
    }
    for (const { row, model } of rows) {
      t.deepEqual([...row], model);
      t.deepEqual(row.pieces().flatMap((piece) => [...piece]), model); // prettier-ignore
      t.is(row.length, model.length);
      if (model.length > 0) t.is(row.at(model.length - 1), model[model.length - 1] as number);
    }
  });
  fc.assert(property, { numRuns: 300 });
});

test('a copy of a million takes the time of a few, and so does the first write after it', (t) => {
  const row = EntryRow.of(Array.from({ length: 1_000_000 }, (_, i) => i));
  const copy = row.copy();
  row.set(500_000, -1);
  t.is(copy.at(500_000), 500_000);
  t.is(row.at(500_000), -1);
  const shares = row.pieces().filter((piece, at) => piece.buffer === copy.pieces()[at]?.buffer);
  t.is(shares.length, row.pieces().length - 1);
});
