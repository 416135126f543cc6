/** Streams and their groups, which both sides of a partition write to and read through. More of them in stream-entries- and stream-groups-scenarios.test.ts. */
import type { MergeScenario } from './merge-scenario.js';

const group = 'XGROUP CREATE x g 0 MKSTREAM';
const read = 'XREADGROUP GROUP g c STREAMS x >';

export const streams: readonly MergeScenario[] = [
  {
    row: 'stream',
    title: 'entries with ids that the server chose all stay',
    keys: ['x'],
    steps: ['A: XADD x * by a', 'B: XADD x * by b', 'A: XADD x * by a', 'all: XLEN x → 3'],
  },
  {
    row: 'stream',
    title: 'of equal ids that clients chose the latest entry is there, once',
    keys: ['x'],
    steps: ['A: XADD x 5-1 by a → 5-1', 'B: XADD x 5-1 by b → 5-1', 'all: XRANGE x - + → 5-1 by b'],
  },
  {
    row: 'XDEL, XTRIM, XADD with MAXLEN or MINID',
    title: 'what a trim saw is gone, and what the other side added stays',
    keys: ['x'],
    steps: ['XADD x 1-1 by both', 'A: XTRIM x MAXLEN 0 → 1', 'B: XADD x 7-1 by b → 7-1', 'all: XRANGE x - + → 7-1 by b'],
  },
  {
    row: 'XDEL, XTRIM, XADD with MAXLEN or MINID',
    title: 'a stream that both sides emptied stays, and gives no id again',
    keys: ['x'],
    steps: [
      'XADD x 7-1 by both',
      'A: XDEL x 7-1 → 1',
      'B: XDEL x 7-1 → 1',
      'all: XLEN x → 0',
      'all: TYPE x → stream',
      'then: XADD x 7-1 by late → ERR The ID specified in XADD is equal or smaller than the target stream top item',
      'then: XADD x 7-2 by late → 7-2',
    ],
  },
  {
    row: 'XSETID',
    title: 'the greatest last id counts, and entries stay',
    keys: ['x'],
    steps: [
      'XADD x 1-1 by both',
      'A: XSETID x 9-1 → OK',
      'B: XADD x 7-1 by b → 7-1',
      'all: XRANGE x - + → 1-1 by both 7-1 by b',
      'then: XADD x 9-1 by late → ERR The ID specified in XADD is equal or smaller than the target stream top item',
      'then: XADD x 9-2 by late → 9-2',
    ],
  },
  {
    row: 'XREADGROUP, XGROUP CREATE, SETID',
    title: 'what one side added before the last id that the other gave is still to be given',
    keys: ['x'],
    steps: [
      group,
      'A: XADD x 5-1 by a → 5-1',
      `A: ${read} → x 5-1 by a`,
      'B: XADD x 3-1 by b → 3-1',
      `then: ${read} → x 3-1 by b`,
      `then: ${read} → nil`,
    ],
  },
  {
    row: 'what is pending: XREADGROUP, XACK, XCLAIM, XAUTOCLAIM',
    title: 'an acknowledgement beats a claim that had not seen it',
    keys: ['x'],
    steps: [
      group,
      'XADD x 1-1 by both',
      read,
      'A: XACK x g 1-1 → 1',
      'B: XCLAIM x g d 0 1-1 → 1-1 by both',
      'all: XPENDING x g - + 10 → nothing',
    ],
  },
  {
    row: 'what is pending: XREADGROUP, XACK, XCLAIM, XAUTOCLAIM',
    title: 'a delivery that the acknowledgement had not seen stays',
    keys: ['x'],
    steps: [
      group,
      'XADD x 2-1 by both',
      `A: ${read} → x 2-1 by both`,
      'B: XREADGROUP GROUP g other STREAMS x > → x 2-1 by both',
      'A: XACK x g 2-1 → 1',
      'all: XPENDING x g → 1 2-1 2-1 other 1',
    ],
  },
];
