/** The key table against a Map of objects: whatever is put, replaced and removed, both hold the same, and no cell is used twice. */
import test from 'ava';
import fc from '../harness/properties.js';
import { CellArena, cellBytesMax } from '../../storage/cell-arena.js';
import { collectionTypes, kindOf } from '../../storage/collection-types.js';
import { KeyTable, noEntry } from '../../storage/key-table.js';
import { recordsEqual } from '../../storage/merge.js';
import { recordPart } from '../../protocol/record-key.js';
import { emptyClock, versionKind, type VersionedRecord } from '../../protocol/record.js';

const sizes = fc.oneof(fc.nat(100), fc.constantFrom(0, 15, 16, 17, 255, 4000, cellBytesMax - 1, cellBytesMax, cellBytesMax + 1, 9000));
const step = fc.record({ key: fc.nat(40), action: fc.nat(5), size: sizes, counter: fc.nat(2 ** 31) });

function bytesOf(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (seed * 31 + i * 7) & 0xff;
  return bytes;
}

/** Long ones among them: a key alone may be too large for a cell. */
function keyOf(number: number): Buffer {
  return bytesOf(number, number % 13 === 12 ? 5000 + number : number);
}

test('against a Map: every key with its record and value, one list of each partition', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer(), (steps, seed) => {
      const table = new KeyTable(seed);
      const firsts = [noEntry, noEntry];
      const model = new Map<number, { readonly record: VersionedRecord; readonly value: Buffer }>();
      for (const { key, action, size, counter } of steps) {
        const bytes = Buffer.concat([Buffer.from('before'), keyOf(key), Buffer.from('after')]);
        const length = bytes.length - 11;
        let entry = table.find(bytes, 6, length);
        t.is(entry !== noEntry, model.has(key));
        if (action === 0) {
          if (entry === noEntry) continue;
          firsts[key % 2] = table.remove(entry, firsts[key % 2] as number);
          model.delete(key);
          continue;
        }
        if (entry === noEntry) {
          entry = table.insert(bytes, 6, length, key, key % 2, true, firsts[key % 2] as number);
          firsts[key % 2] = entry;
        }
        const version = { kind: versionKind.plain, actor: 0xffff_0001, counter, term: 2 ** 52 + key, expiresAtMs: action === 2 ? 2 ** 41 : 0, bytes: bytesOf(counter, size) }; // prettier-ignore
        const record = { context: action === 3 ? new Map([[7, counter]]) : emptyClock, versions: action === 4 ? [] : [version] };
        if (action === 1) {
          const { actor, term, expiresAtMs } = version;
          table.setPlain(entry, actor, counter, term, expiresAtMs, Buffer.concat([Buffer.from('x'), version.bytes]), 1, size);
          model.set(key, { record: { context: emptyClock, versions: [version] }, value: version.bytes });
        } else {
          // One that says its term, two that saw another write, and one that does neither.
          const seen = [new Map([[0, key]]), new Map([[3, key]]), new Map([[0, 0]]), emptyClock][size % 4] as ReadonlyMap<number, number>;
          const tombstone = action === 4 ? { context: new Map([...seen, [9, counter]]), versions: [] } : record;
          table.setRecord(entry, tombstone);
          if (action === 4) t.is(table.isTombstone(entry), size % 4 === 3 || (size % 4 === 0 && key > 0));
          model.set(key, { record: tombstone, value: action === 4 ? Buffer.alloc(0) : version.bytes });
        }
        t.is(table.isTombstone(entry) && table.isAlive(entry), false);
        if (action === 2) t.is(table.expiresOf(entry), 2 ** 41);
      }
      for (const [key, { record, value }] of model) {
        const bytes = keyOf(key);
        const entry = table.find(bytes, 0, bytes.length);
        t.deepEqual(table.keyBytes(entry), bytes);
        t.is(table.nameOf(entry), bytes.toString('latin1'));
        t.is(table.slotOf(entry), key);
        const held = table.recordOf(entry);
        t.true(held !== undefined && recordsEqual(held, record));
        t.deepEqual(held?.versions, record.versions);
        t.deepEqual(table.valueOf(entry), value);
        t.is(table.isAlive(entry), record.versions.length > 0);
      }
      for (const [partition, first] of firsts.entries()) {
        const listed: number[] = [];
        for (let entry = first; entry !== noEntry; entry = table.nextOf(entry)) listed.push(table.slotOf(entry));
        t.deepEqual(listed.toSorted((x, y) => x - y), [...model.keys()].filter((key) => key % 2 === partition).toSorted((x, y) => x - y)); // prettier-ignore
      }
    }),
    { numRuns: 200 },
  );
});

test('a part that was made with room for its value stays where it is when it gets that, and other values fit, too', (t) => {
  const table = new KeyTable(7);
  const bytes = Buffer.from('key');
  const owner = table.insert(bytes, 0, bytes.length, 1, 0, true, noEntry);
  const kind = kindOf(collectionTypes.hash, recordPart.element);
  let number = 0;
  for (const room of [0, 1, 100, 1000, cellBytesMax - 20, cellBytesMax, 9000]) {
    for (const length of [room, 0, 5, 500, cellBytesMax + 1]) {
      const element = Buffer.from(`element:${number++}`);
      const entry = table.insertPart(owner, kind, element, 0, element.length, true, room);
      const before = [table.keyPageOf(entry), table.keyAt(entry)];
      if (element.length + room <= cellBytesMax) t.true(table.byteSizeOf(entry) > room, 'the room counts before it is used');
      const value = bytesOf(number, length);
      table.setPlain(entry, 1, number, 1, 0, value, 0, length);
      if (length === room && element.length + room <= cellBytesMax)
        t.deepEqual([table.keyPageOf(entry) === before[0], table.keyAt(entry)], [true, before[1]], `${room}`);
      t.true(table.valueOf(entry).equals(value));
      t.is(table.findPart(owner, kind, element, 0, element.length), entry);
    }
  }
});

test('a hundred thousand keys, half of them removed and others put in their place', (t) => {
  const table = new KeyTable(7);
  let first = noEntry;
  const key = (number: number): Buffer => Buffer.from(`key:${number}`);
  const put = (number: number): void => {
    const bytes = key(number);
    first = table.insert(bytes, 0, bytes.length, number % 16384, 0, true, first);
    table.setPlain(first, 1, number, 1, 0, bytes, 0, bytes.length);
  };
  for (let i = 0; i < 100_000; i++) put(i);
  const { end } = table;
  for (let i = 0; i < 100_000; i += 2) first = table.remove(table.find(key(i), 0, key(i).length), first);
  for (let i = 100_000; i < 150_000; i++) put(i);
  t.is(table.end, end, 'numbers are used again');
  for (let i = 0; i < 150_000; i++) {
    const bytes = key(i);
    const entry = table.find(bytes, 0, bytes.length);
    if (i < 100_000 && i % 2 === 0) t.is(entry, noEntry);
    else if (entry === noEntry || table.counterOf(entry) !== i || !table.valueOf(entry).equals(bytes)) t.fail(`${i} is at ${entry}`);
  }
});

test('cells: none overlaps another, and pages without one are given back', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(cellBytesMax), fc.nat()), { minLength: 1, maxLength: 400 }), (steps) => {
      const arena = new CellArena();
      const used = new Map<number, number>();
      for (const [bytes, choice] of steps) {
        if (choice % 3 === 0 && used.size > 0) {
          const address = [...used.keys()][choice % used.size] as number;
          arena.release(address);
          used.delete(address);
          continue;
        }
        const address = arena.allocate(bytes);
        const begins = CellArena.byteOffset(address);
        t.true(arena.fits(address, bytes));
        t.true(begins + arena.bytesAt(address) <= (arena.pageBytes[address >>> 16]?.length ?? 0));
        for (const [other, length] of used) {
          if (other >>> 16 !== address >>> 16) continue;
          const otherBegins = CellArena.byteOffset(other);
          if (begins < otherBegins + length && otherBegins < begins + bytes) t.fail('two cells overlap');
        }
        used.set(address, bytes);
      }
    }),
    { numRuns: 100 },
  );
  const arena = new CellArena();
  const cells = Array.from({ length: 3000 }, () => arena.allocate(4096));
  t.true(arena.heldBytes > 11 * 1024 * 1024);
  for (const cell of cells) arena.release(cell);
  t.true(arena.heldBytes <= 1024 * 1024, String(arena.heldBytes));
});
