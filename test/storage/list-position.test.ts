/** Positions of lists: in order, between their neighbours, never twice, and short where lists are used as lists are. */
import test from 'ava';
import fc from '../harness/properties.js';
import type { Dot } from '../../protocol/dot.js';
import { isPosition, positionBytesMost, positionsBetween, type Side } from '../../storage/list-position.js';

/** Two nodes' writes, each counter once. */
function dots(): (node: number) => Dot {
  let counter = 2 ** 52;
  return (node) => ({ actor: 0x1_0001 + node, counter: counter++ });
}

interface Insertion {
  readonly at: number;
  readonly count: number;
  readonly near: Side;
  readonly node: number;
}

const insertion: fc.Arbitrary<Insertion> = fc.record({
  at: fc.oneof(fc.constantFrom(0, 1), fc.nat()),
  count: fc.constantFrom(1, 1, 1, 2, 5, 200),
  near: fc.constantFrom<Side>('left', 'right'),
  node: fc.constantFrom(0, 1),
});

test('whatever is inserted where, positions are in order, and each is there once', (t) => {
  fc.assert(
    fc.property(fc.array(insertion, { maxLength: 60 }), (insertions) => {
      const nextDot = dots();
      const list: Buffer[] = [];
      for (const { at: drawn, count, near, node } of insertions) {
        const at = drawn % (list.length + 1);
        const made = positionsBetween(list[at - 1], list[at], count, near, nextDot(node));
        if (made.length !== count) throw new Error(`${made.length} positions of ${count}`);
        for (const one of made) {
          const padded = Buffer.concat([Buffer.of(1, 2, 3), one, Buffer.of(0)]);
          if (isPosition(padded, 3, one.length) !== one.length <= positionBytesMost) throw new Error(`refused: ${one.toString('hex')}`);
        }
        list.splice(at, 0, ...made);
        for (let i = Math.max(1, at); i < Math.min(list.length, at + count + 1); i++)
          if (Buffer.compare(list[i - 1] as Buffer, list[i] as Buffer) >= 0) throw new Error(`out of order at ${i}`);
      }
    }),
    { numRuns: 150 },
  );
  t.pass();
});

test('two nodes that insert at one place without having seen each other agree on the order, and there is room between what they made', (t) => {
  fc.assert(
    fc.property(
      fc.array(insertion, { maxLength: 12 }),
      fc.array(fc.record({ at: fc.nat(), near: fc.constantFrom<Side>('left', 'right') }), { minLength: 1, maxLength: 8 }),
      (before, rounds) => {
        const nextDot = dots();
        const list: Buffer[] = [];
        const insert = (into: Buffer[], { at: drawn, count, near, node }: Insertion): Buffer[] => {
          const at = drawn % (into.length + 1);
          const made = positionsBetween(into[at - 1], into[at], count, near, nextDot(node));
          into.splice(at, 0, ...made);
          return made;
        };
        for (const one of before) insert(list, one);
        for (const { at, near } of rounds) {
          const made = [0, 1].flatMap((node) => insert([...list], { at, near, count: 1, node }));
          list.push(...made);
          list.sort((x, y) => Buffer.compare(x, y));
          if (new Set(list.map((each) => each.toString('hex'))).size < list.length) throw new Error('a position is there twice');
          // Between the two, if nothing else stands there, goes a third.
          const place = list.findIndex((each) => made.some((one) => one.equals(each)));
          const [between] = positionsBetween(list[place], list[place + 1], 1, near, nextDot(0));
          if (Buffer.compare(list[place] as Buffer, between as Buffer) >= 0) throw new Error('not after the first');
          if (list[place + 1] !== undefined && Buffer.compare(between as Buffer, list[place + 1] as Buffer) >= 0)
            throw new Error('not before the second');
          list.splice(place + 1, 0, between as Buffer);
        }
      },
    ),
    { numRuns: 150 },
  );
  t.pass();
});

test('bytes that are nearly a position are refused, or there is room on both sides of them', (t) => {
  const nextDot = dots();
  const dot = Buffer.alloc(12);
  const isOne = (bytes: Buffer): boolean => isPosition(bytes, 0, bytes.length);
  const step = (value: number): Buffer =>
    Buffer.concat([Buffer.of(1), Buffer.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)]);
  for (const [what, pieces, is] of [
    ['0', [Buffer.of(0x80), dot], true],
    ['nothing', [], false],
    ['an integer alone', [Buffer.of(0x80)], false],
    ['a dot cut short', [Buffer.of(0x80), dot.subarray(1)], false],
    ['a byte too many', [Buffer.of(0x80), dot, Buffer.of(0)], false],
    ['5 in one byte', [Buffer.of(0x81, 5), dot], true],
    ['5 in two bytes', [Buffer.of(0x82, 0, 5), dot], false],
    ['-1 in one byte', [Buffer.of(0x7f, 0xff), dot], true],
    ['-1 in two bytes', [Buffer.of(0x7e, 0xff, 0xff), dot], false],
    ['an integer of seven bytes', [Buffer.of(0x87, 1, 1, 1, 1, 1, 1, 1), dot], false],
    ['the largest integer', [Buffer.of(0x86, 255, 255, 255, 255, 255, 255), dot], false],
    ['the least integer', [Buffer.of(0x7a, 0, 0, 0, 0, 0, 0), dot], false],
    ['a step', [Buffer.of(0x80), step(7), dot], true],
    ['a last step of 0', [Buffer.of(0x80), step(0), dot], false],
    ['another mark', [Buffer.of(0x80, 2), dot], false],
    ['a second dot without a step', [Buffer.of(0x80), dot, dot], false],
    ['a step behind a dot', [Buffer.of(0x80), dot, step(7), dot], true],
    ['too many steps', [Buffer.of(0x80), ...Array.from({ length: 8 }, () => step(7)), dot], false],
  ] as const)
    t.is(isOne(Buffer.concat(pieces)), is, what);

  const places = fc.array(fc.tuple(fc.nat(positionBytesMost), fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0x81, 0xff), fc.nat(255))), {
    maxLength: 4,
  });
  const changedPosition = fc.tuple(fc.array(insertion, { minLength: 1, maxLength: 12 }), places).map(([insertions, changes]) => {
    const list: Buffer[] = [];
    let last = Buffer.alloc(0);
    for (const { at: drawn, count, near, node } of insertions) {
      const at = drawn % (list.length + 1);
      const made = positionsBetween(list[at - 1], list[at], count, near, nextDot(node));
      list.splice(at, 0, ...made);
      last = Buffer.from(made[0] as Buffer);
    }
    for (const [at, byte] of changes) if (at < last.length) last[at] = byte;
    return last;
  });
  let taken = 0;
  fc.assert(
    fc.property(changedPosition, changedPosition, fc.constantFrom<Side>('left', 'right'), (one, other, near) => {
      if (!isOne(one) || !isOne(other) || one.equals(other)) return;
      const [left, right] = [one, other].sort((x, y) => Buffer.compare(x, y)) as [Buffer, Buffer];
      const row = [undefined, left, right, undefined];
      for (let i = 0; i < 3; i++) {
        const [made] = positionsBetween(row[i], row[i + 1], 1, near, nextDot(0)) as [Buffer];
        if (row[i] !== undefined && Buffer.compare(row[i] as Buffer, made) >= 0) throw new Error('not after the left one');
        if (row[i + 1] !== undefined && Buffer.compare(made, row[i + 1] as Buffer) >= 0) throw new Error('not before the right one');
      }
      taken++;
    }),
    { numRuns: 2000 },
  );
  t.true(taken > 300, `${taken} pairs were taken`);
});

const million = 1_000_000;

test('a million pushes at each end, and a million insertions at one pivot on either side, take less than 24 bytes each', (t) => {
  const nextDot = dots();
  const [pivot] = positionsBetween(undefined, undefined, 1, 'left', nextDot(0)) as [Buffer];
  let [first, last] = [pivot, pivot];
  let [second, longest] = [pivot, 0];
  for (let i = 0; i < million; i++) {
    const [left] = positionsBetween(undefined, first, 1, 'left', nextDot(0)) as [Buffer];
    const [right] = positionsBetween(last, undefined, 1, 'left', nextDot(0)) as [Buffer];
    if (Buffer.compare(left, first) >= 0 || Buffer.compare(right, last) <= 0) return t.fail('out of order');
    longest = Math.max(longest, left.length, right.length);
    [second, first, last] = [i === 0 ? right : second, left, right];
  }
  t.log(`pushes: ${longest} bytes at most`);
  t.true(longest < 24);
  for (const [left, right] of [
    [pivot, second],
    [first, positionsBetween(first, pivot, 1, 'right', nextDot(0))[0] as Buffer],
    [positionsBetween(second, last, 1, 'left', nextDot(0))[0] as Buffer, last],
  ] as const) {
    let [before, after] = [left, right];
    longest = 0;
    for (let i = 0; i < million; i++) {
      // BEFORE the pivot on the right, and AFTER the one on the left.
      [before] = positionsBetween(before, after, 1, 'left', nextDot(0)) as [Buffer];
      [after] = positionsBetween(before, after, 1, 'right', nextDot(0)) as [Buffer];
      longest = Math.max(longest, before.length, after.length);
    }
    if (Buffer.compare(before, after) >= 0) return t.fail('out of order');
    t.log(`insertions: ${longest} bytes at most`);
    t.true(longest < 24);
  }
});

test('ends stay in order across every length of an integer', (t) => {
  const nextDot = dots();
  const [only] = positionsBetween(undefined, undefined, 1, 'left', nextDot(0)) as [Buffer];
  let [first, last] = [only, only];
  // So many at once that the lengths change within a push, and on its edges.
  for (const count of [1, 254, 1, 1, 65_278, 1, 1, 1_000_000]) {
    const left = positionsBetween(undefined, first, count, 'left', nextDot(0));
    const right = positionsBetween(last, undefined, count, 'left', nextDot(0));
    const row = [...left, first, last, ...right];
    for (let i = 1; i < row.length; i++)
      if (row[i] !== row[i - 1] && Buffer.compare(row[i - 1] as Buffer, row[i] as Buffer) >= 0)
        return t.fail(`${count}: out of order at ${i}`);
    [first, last] = [left[0] as Buffer, right.at(-1) as Buffer];
  }
  t.pass();
});
