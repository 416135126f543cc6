/** Sets: members that both sides of a partition add, remove and pop. */
import type { MergeScenario } from './merge-scenario.js';

export const sets: readonly MergeScenario[] = [
  {
    row: 'set',
    title: 'an add beats a removal that had not seen it, also of a member that was there',
    keys: ['s'],
    steps: [
      'SADD s x y',
      'A: SREM s x → 1',
      'A: SADD s x → 1',
      'B: SREM s x → 1',
      'A: SADD s new → 1',
      'B: SREM s new → 0',
      'all: SMISMEMBER s x y new → 1 1 1',
      'then: SREM s x → 1',
      'all: SMISMEMBER s x y new → 0 1 1',
    ],
  },
  {
    row: 'set',
    title: 'an add of a member that is there adds nothing, and does not keep it from being removed',
    keys: ['s'],
    steps: ['SADD s x y', 'A: SADD s x → 0', 'B: SREM s x → 1', 'all: SMEMBERS s → y'],
  },
  {
    row: 'set',
    title: 'what either side removed is gone, and what both added is there once',
    keys: ['s'],
    steps: [
      'SADD s x y z',
      'A: SREM s y → 1',
      'B: SREM s z → 1',
      'A: SADD s a both → 2',
      'B: SADD s b both → 2',
      'all: SMISMEMBER s x y z a b both → 1 0 0 1 1 1',
      'all: SCARD s → 4',
    ],
  },
  {
    row: 'SPOP',
    title: 'both sides may pop the same member, and what the other side added stays',
    keys: ['s'],
    steps: ['SADD s x', 'A: SPOP s → x', 'B: SPOP s → x', 'B: SADD s y → 1', 'all: SMEMBERS s → y'],
  },
  {
    row: 'SPOP',
    title: 'a side that empties the set takes what it saw, and an add beside it stays',
    keys: ['s'],
    steps: ['SADD s x y', 'A: SPOP s 10', 'A: EXISTS s → 0', 'B: SADD s z → 1', 'all: SMEMBERS s → z'],
  },
];
