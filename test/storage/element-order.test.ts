/** A list's order in memory against a plain array: elements come and go anywhere, and are put in order in slices while they do. */
import test from 'ava';
import fc from '../harness/properties.js';
import { positionsBetween } from '../../storage/list-position.js';
import { ElementOrder } from '../../storage/element-order.js';
import type { Collection } from '../../storage/collection.js';
import { collectionTypes } from '../../storage/collection-types.js';
import { recordPart } from '../../protocol/record-key.js';
import { slotOf } from '../../protocol/slot.js';
import { emptyRecord } from '../../storage/merge.js';
import type { Partition } from '../../storage/partition.js';
import { openInMemory } from './store-fixtures.js';

const key = Buffer.from('list');

/** Elements of one list, written straight to its partition. */
class Elements {
  counter = 1;
  readonly positions: Buffer[] = [];
  readonly collection: Collection;

  constructor(readonly partition: Partition) {
    const owner = partition.findOrInsert(key, 0, key.length, slotOf(key));
    this.collection = partition.collections.ensure(owner, collectionTypes.list);
  }

  insert(at: number, count: number): void {
    const dot = { actor: 1, counter: this.counter++ };
    const made = positionsBetween(this.positions[at - 1], this.positions[at], count, at % 2 === 0 ? 'left' : 'right', dot);
    this.positions.splice(at, 0, ...made);
    for (const position of made) this.partition.putPlain(this.entryOf(position), 1, dot.counter, 1, 0, position, 0, position.length);
  }

  remove(at: number, count: number): void {
    for (const position of this.positions.splice(at, count)) {
      const entry = this.entryOf(position);
      this.partition.put(entry, { context: new Map([[1, this.counter++]]), versions: [] });
    }
  }

  private entryOf(position: Buffer): number {
    return this.partition.collections.findOrInsert(this.collection, recordPart.element, position);
  }
}

const action = fc.record({
  kind: fc.constantFrom('insert', 'insert', 'insert', 'remove', 'fill'),
  where: fc.constantFrom('first', 'last', 'any'),
  any: fc.nat(),
  count: fc.constantFrom(1, 1, 3, 100, 700, 3000),
});

test('whatever comes and goes, the order has each element at its index', async (t) => {
  const opened = await openInMemory();
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 40 }), fc.nat({ max: 39 }), (actions, madeAt) => {
      const { store } = opened;
      const { table } = store;
      const partition = store.partition(0);
      const elements = new Elements(partition);
      const { collection } = elements;
      const bytesBefore = store.memoryBytes - collection.byteSize;
      let order: ElementOrder | undefined;
      for (const [step, { kind, where, any, count }] of actions.entries()) {
        if (step === madeAt) collection.index = order = new ElementOrder(table, collection);
        const { length } = elements.positions;
        const at = where === 'first' ? 0 : where === 'last' ? length : any % (length + 1);
        if (kind === 'insert') elements.insert(at, count);
        else if (kind === 'fill') order?.fill(count);
        else elements.remove(where === 'last' ? Math.max(0, length - count) : at, count);
      }
      if (order !== undefined) {
        while (!order.isFilled) order.fill(1000);
        const { positions } = elements;
        if (order.size !== positions.length) throw new Error(`${order.size} of ${positions.length}`);
        const found: string[] = [];
        order.forEach(0, Infinity, (entry) => void found.push(table.nameOf(entry)));
        if (!positions.every((position, i) => found[i] === position.toString('latin1'))) throw new Error('another order');
        for (const index of [0, 1, 511, 512, 513, positions.length - 1, positions.length, Math.floor(positions.length / 2)]) {
          if (index < 0) continue;
          const entry = order.at(index);
          const expected = positions[index];
          if (entry < 0 ? expected !== undefined : table.nameOf(entry) !== expected?.toString('latin1')) throw new Error(`index ${index}`);
          const row: string[] = [];
          order.forEach(index, index + 600, (each) => void row.push(table.nameOf(each)));
          if (row.length !== Math.max(0, Math.min(600, positions.length - index))) throw new Error(`${row.length} from ${index}`);
        }
      }
      const { index } = collection;
      const accounted = store.memoryBytes;
      collection.dropIndex();
      if (index !== undefined && accounted - store.memoryBytes < 0) throw new Error('more was given back than taken');
      elements.remove(0, elements.positions.length);
      for (const entry of Array.from({ length: collection.size }, (_, i) => collection.at(i))) {
        partition.put(entry, emptyRecord);
        partition.collections.removeEmpty(entry);
      }
      if (collection.size > 0) throw new Error('elements are left');
      if (store.memoryBytes - collection.byteSize !== bytesBefore) throw new Error('memory is not accounted for');
    }),
    { numRuns: 150, includeErrorInReport: true },
  );
  await opened.close();
  t.pass();
});
