/** Lists: elements that both sides of a partition push, insert, pop and set. More of them in list-scenarios.test.ts. */
import type { MergeScenario } from './merge-scenario.js';

export const lists: readonly MergeScenario[] = [
  {
    row: 'list',
    title: 'what both sides push to one end stays, in one order',
    keys: ['l'],
    steps: ['RPUSH l x', 'A: RPUSH l a → 2', 'B: RPUSH l b → 2', 'all: LRANGE l 0 -1 → x a b'],
  },
  {
    row: 'list',
    title: 'what both sides insert at one pivot stays beside it',
    keys: ['l'],
    steps: ['RPUSH l x', 'A: LINSERT l BEFORE x p → 2', 'B: LINSERT l BEFORE x q → 2', 'all: LRANGE l 0 -1 → p q x'],
  },
  {
    row: 'LPOP, RPOP, LREM, LTRIM, LMOVE, LMPOP',
    title: 'both sides may pop the same, and it is popped once',
    keys: ['q'],
    steps: ['RPUSH q x y', 'A: LPOP q → x', 'B: LPOP q → x', 'all: LRANGE q 0 -1 → y'],
  },
  {
    row: 'LPOP, RPOP, LREM, LTRIM, LMOVE, LMPOP',
    title: 'what the other side pushed stays',
    keys: ['q'],
    steps: ['RPUSH q x y', 'A: LPOP q → x', 'B: RPUSH q z → 3', 'all: LRANGE q 0 -1 → y z'],
  },
  {
    row: 'LSET',
    title: 'the latest value is there, once, and it beats a pop that had not seen it',
    keys: ['l'],
    steps: [
      'RPUSH l x y',
      'A: LSET l 1 a → OK',
      'B: LSET l 1 b → OK',
      'A: LSET l 0 a → OK',
      'A: LPOP l → a',
      'B: LSET l 0 b → OK',
      'all: LRANGE l 0 -1 → b b',
    ],
  },
];
