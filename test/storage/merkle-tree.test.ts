/** Trees and the hashing below them: equal sets of records give equal roots whatever the order of arrival; a different one does not; a write marks one path. */
import fc from '../harness/properties.js';
import test from 'ava';
import { rowBytes, runHashing } from '../../storage/merkle-hashing.js';
import { differences, digestBytes, leafCount, leafNumbers, leafOf, MerkleTree, sha256 } from '../../storage/merkle-tree.js';
import { packRecords, type HashedRecord } from './packed-records.js';

const hashed = ([name, value]: readonly [string, string]): HashedRecord => ({
  leaf: leafOf(Buffer.from(name, 'latin1')),
  key: Buffer.from(name, 'latin1'),
  record: Buffer.from(value),
});

/** The tree of records that came in slices of `slice`. */
function treeOf(records: readonly HashedRecord[], slice = 1000): MerkleTree {
  const tree = new MerkleTree();
  tree.takeDirty();
  const rows: Uint8Array[] = [];
  for (let at = 0; at < records.length; at += slice) rows.push(runHashing('digest', packRecords(records.slice(at, at + slice))));
  const leaves = runHashing('fold', Buffer.concat(rows));
  for (let at = 0; at < leaves.length; at += rowBytes) tree.setLeaf(leaves[at] ?? 0, leaves.subarray(at + 1, at + rowBytes));
  return tree;
}

const recordSet = fc.uniqueArray(fc.tuple(fc.string({ maxLength: 12 }), fc.string({ maxLength: 30 })), {
  selector: ([name]) => name,
  minLength: 1,
  maxLength: 200,
});
const latin1 = recordSet.map((list) => list.map(([name, value]) => [Buffer.from(name).toString('latin1'), value] as const));

test('equal sets have equal roots, in whatever order and slices they came', (t) => {
  fc.assert(
    fc.property(latin1, fc.integer(), fc.integer({ min: 1, max: 50 }), (list, seed, slice) => {
      const shuffled = list.toSorted(
        (x, y) => ((leafOf(Buffer.from(x[0])) * 31 + seed) % 97) - ((leafOf(Buffer.from(y[0])) * 31 + seed) % 97),
      );
      const tree = treeOf(list.map(hashed));
      t.deepEqual(treeOf(shuffled.map(hashed), slice).root(), tree.root());
      const whole = runHashing('leaves', packRecords(list.map(hashed)));
      t.deepEqual(whole, runHashing('fold', runHashing('digest', packRecords(shuffled.map(hashed)))));
    }),
  );
});

test('one record that is missing, new or other changes its leaf, its branch and the root, and nothing else', (t) => {
  fc.assert(
    fc.property(latin1, fc.nat(), fc.constantFrom('missing', 'other'), (list, pick, how) => {
      const at = pick % list.length;
      const changed = list.flatMap((one, i) => (i !== at ? [one] : how === 'missing' ? [] : [[one[0], `${one[1]}!`] as const]));
      const [mine, theirs] = [treeOf(list.map(hashed)), treeOf(changed.map(hashed))];
      t.notDeepEqual(mine.root(), theirs.root());
      const branches = differences(mine.branches(), Buffer.from(theirs.branches()));
      const leaf = leafOf(Buffer.from(list[at]?.[0] ?? '', 'latin1'));
      t.deepEqual(
        branches.flatMap((branch) => leafNumbers(branch, differences(mine.leavesOf(branch), theirs.leavesOf(branch)))),
        [leaf],
      );
    }),
  );
});

test('a key and its record are not taken for another split of the same bytes', (t) => {
  const leaf = 5;
  const digests = [
    ['ab', 'c'],
    ['a', 'bc'],
  ].map(([key = '', record = '']) => runHashing('leaves', packRecords([{ leaf, key: Buffer.from(key), record: Buffer.from(record) }])));
  t.notDeepEqual(digests[0], digests[1]);
});

test('digests are SHA-256 of the bytes that the opening comments give', (t) => {
  const records = [
    { leaf: 7, key: Buffer.from('k'), record: Buffer.from('one') },
    { leaf: 7, key: Buffer.from('l'), record: Buffer.from('two') },
  ];
  const digests = records.map(({ key, record }) => sha256(Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 3]), key, record])));
  const leaf = sha256(Buffer.concat(digests.toSorted((x, y) => Buffer.compare(x, y))));
  t.deepEqual(Buffer.from(runHashing('leaves', packRecords(records))), Buffer.concat([Buffer.of(7), leaf]));
  const branch = Buffer.alloc(16 * digestBytes);
  leaf.copy(branch, 7 * digestBytes);
  const empty = sha256(Buffer.alloc(16 * digestBytes));
  const branches = Buffer.concat([sha256(branch), ...Array.from({ length: 15 }, () => empty)]);
  const tree = treeOf(records);
  t.deepEqual(tree.branches(), branches);
  t.deepEqual(tree.root(), sha256(branches));
});

test('a new tree has every leaf to hash, a write marks one, and what is taken is marked no more', (t) => {
  const tree = new MerkleTree();
  t.is(tree.takeDirty().length, leafCount);
  t.deepEqual(tree.takeDirty(), []);
  const key = Buffer.from('>some key<');
  tree.touch(key, 1, 8);
  tree.touch(key, 1, 8);
  t.deepEqual(tree.takeDirty(), [leafOf(Buffer.from('some key'))]);
  tree.touchAll();
  t.is(tree.takeDirty().length, leafCount);
});

test('leaves fill evenly, with keys that differ in a digit and with elements of one key', (t) => {
  const huge = Buffer.from('huge');
  const fills = [
    (i: number) => leafOf(Buffer.from(`user:${i}`)),
    (i: number) => leafOf(huge, 0, huge.length, Buffer.from(`field ${i}`)),
    (i: number) => leafOf(Buffer.of(i & 255, i >> 8)),
  ];
  for (const fill of fills) {
    const counts = Array.from({ length: leafCount }, () => 0);
    for (let i = 0; i < 25_600; i++) {
      const leaf = fill(i);
      counts[leaf] = (counts[leaf] ?? 0) + 1;
    }
    t.true(Math.min(...counts) > 50 && Math.max(...counts) < 160, `${Math.min(...counts)} to ${Math.max(...counts)}`);
  }
});
