/** Sorted sets: members that both sides of a partition give scores and places, remove and pop. */
import type { MergeScenario } from './merge-scenario.js';

export const sortedSets: readonly MergeScenario[] = [
  {
    row: 'sorted set',
    title: 'the score is the latest, and each side can add members',
    keys: ['z'],
    steps: [
      'A: ZADD z 1 m → 1',
      'B: ZADD z 2 m → 1',
      'A: ZADD z 3 a → 1',
      'B: ZADD z 1 b → 1',
      'all: ZRANGE z 0 -1 WITHSCORES → b 1 m 2 a 3',
    ],
  },
  {
    row: 'sorted set',
    title: 'a score beats a removal that had not seen it, and other members are gone',
    keys: ['z'],
    steps: ['ZADD z 1 m 2 n', 'A: ZREM z m → 1', 'B: ZADD z 3 m → 0', 'B: ZREM z n → 1', 'all: ZRANGE z 0 -1 WITHSCORES → m 3'],
  },
  {
    row: 'sorted set',
    title: 'the score that a member has already changes nothing, and does not keep it from being removed',
    keys: ['z'],
    steps: ['ZADD z 1 m 2 n', 'A: ZADD z 1 m → 0', 'B: ZREM z m → 1', 'all: ZRANGE z 0 -1 → n'],
  },
  {
    row: 'ZINCRBY, ZADD INCR',
    title: 'what both sides add adds up, on one base',
    keys: ['z'],
    steps: [
      'ZADD z 10 m',
      'A: ZINCRBY z 1 m → 11',
      'B: ZINCRBY z 5 m → 15',
      'A: ZADD z INCR 0.5 new → 0.5',
      'B: ZADD z INCR 0.25 new → 0.25',
      'all: ZRANGE z 0 -1 WITHSCORES → new 0.75 m 16',
      'then: ZINCRBY z -20 m → -4',
      'all: ZRANGE z 0 -1 WITHSCORES → m -4 new 0.75',
    ],
  },
  {
    row: 'ZINCRBY, ZADD INCR',
    title: 'infinity is a new base',
    keys: ['z'],
    steps: ['ZADD z 10 m', 'A: ZINCRBY z inf m', 'B: ZINCRBY z 5 m → 15', 'all: ZCOUNT z inf inf → 1'],
  },
  {
    row: 'GEOADD',
    title: 'the place is the latest',
    keys: ['g'],
    steps: [
      'A: GEOADD g 13.4 38.1 m → 1',
      'B: GEOADD g 15.1 37.5 m → 1',
      'A: GEOADD g 13.4 38.1 left → 1',
      'all: GEOSEARCH g FROMLONLAT 15.1 37.5 BYRADIUS 1 km → m',
      'all: GEOSEARCH g FROMLONLAT 13.4 38.1 BYRADIUS 1 km → left',
    ],
  },
  {
    row: 'ZPOPMIN, ZPOPMAX, ZMPOP',
    title: 'both sides may pop the same, each choice is gone, and what the other side added stays',
    keys: ['z'],
    steps: [
      'ZADD z 1 m 2 n 3 o 4 p',
      'A: ZPOPMIN z → m 1',
      'B: ZPOPMIN z → m 1',
      'A: ZPOPMAX z → p 4',
      'B: ZMPOP 1 z MIN → z n 2',
      'A: ZADD z 0 first → 1',
      'all: ZRANGE z 0 -1 WITHSCORES → first 0 o 3',
    ],
  },
];
