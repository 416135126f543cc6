/** Strings, counters, bitmaps and HyperLogLogs: a value, which both sides of a partition write. */
import type { MergeScenario } from './merge-scenario.js';

export const strings: readonly MergeScenario[] = [
  {
    row: 'string',
    title: 'the latest value is there, and it is whole',
    keys: ['k'],
    steps: [
      'A: SET k a → OK',
      'B: SET k b → OK',
      'A: GET k → a',
      'B: GET k → b',
      'all: GET k → b',
      'then: APPEND k c → 2',
      'all: GET k → bc',
    ],
  },
  {
    row: 'string',
    title: 'the coordinator that took over later has the latest value, though the other one wrote after it',
    keys: ['k'],
    steps: ['B: SET k b → OK', 'A: SET k a → OK', 'all: GET k → b'],
  },
  {
    row: 'string',
    title: 'a value that a deletion had not seen lives',
    keys: ['k'],
    steps: ['SET k old', 'A: SET k a → OK', 'B: DEL k → 1', 'all: GET k → a'],
  },
  {
    row: 'counter (INCR, DECR, INCRBY)',
    title: 'what both sides add adds up, on one base',
    keys: ['n'],
    steps: [
      'SET n 10',
      'A: INCRBY n 1 → 11',
      'B: INCRBY n 5 → 15',
      'A: DECR n → 10',
      'A: INCR n → 11',
      'B: INCR n → 16',
      'all: GET n → 17',
      'then: INCR n → 18',
      'all: GET n → 18',
    ],
  },
  {
    row: 'counter (INCR, DECR, INCRBY)',
    title: 'both sides begin to count at nothing',
    keys: ['n'],
    steps: ['A: INCR n → 1', 'B: INCRBY n 5 → 5', 'all: GET n → 6'],
  },
  {
    row: 'counter (INCR, DECR, INCRBY)',
    title: 'a later base takes away what was added to the one before it',
    keys: ['n'],
    steps: ['SET n 10', 'A: INCRBY n 1 → 11', 'B: SET n 0 → OK', 'B: INCRBY n 5 → 5', 'all: GET n → 5'],
  },
  {
    row: 'HINCRBYFLOAT, INCRBYFLOAT',
    title: 'what the later side made of a string is there, and what the other one added is not',
    keys: ['x'],
    steps: ['SET x 0.5', 'A: INCRBYFLOAT x 1 → 1.5', 'B: INCRBYFLOAT x 2 → 2.5', 'all: GET x → 2.5'],
  },
  {
    row: 'bitmap (SETBIT, BITFIELD, BITOP)',
    title: 'the latest bitmap is there as a whole, without the bits that the other side set',
    keys: ['b'],
    steps: [
      'SETBIT b 3 1',
      'A: SETBIT b 0 1 → 0',
      'B: SETBIT b 7 1 → 0',
      'A: BITCOUNT b → 2',
      'all: BITCOUNT b → 2',
      'all: BITFIELD_RO b GET u8 0 → 17',
      'then: SETBIT b 0 1 → 0',
      'all: BITCOUNT b → 3',
    ],
  },
  {
    row: 'bitmap (SETBIT, BITFIELD, BITOP)',
    title: 'a number in it that both sides count up is no counter',
    keys: ['b'],
    steps: ['A: BITFIELD b INCRBY u8 0 1 → 1', 'B: BITFIELD b INCRBY u8 0 5 → 5', 'all: BITFIELD_RO b GET u8 0 → 5'],
  },
  {
    row: 'HyperLogLog',
    title: 'what both sides added is counted',
    keys: ['v'],
    steps: ['A: PFADD v x → 1', 'B: PFADD v y → 1', 'A: PFCOUNT v → 1', 'all: PFCOUNT v → 2'],
  },
];
