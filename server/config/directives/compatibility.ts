/** What Redis has and tools ask for, each with the one value that it has here. */
import { row } from '../directive.js';
import { always } from '../value-types.js';

export const compatibilityDirectives = {
  save: row({
    name: 'save',
    type: always('', 'there are no snapshots, every write goes to the commit log'),
    default: '',
    whileRunning: true,
    doc: 'For tools that ask: there are no snapshots.',
  }),
  appendOnly: row({
    name: 'appendonly',
    type: always('yes', 'every write goes to the commit log; see durability'),
    default: 'yes',
    whileRunning: true,
    doc: 'For tools that ask: every write goes to the commit log.',
  }),
  memoryMax: row({
    name: 'maxmemory',
    type: always('0', 'data is kept on disk; see cache-size'),
    default: '0',
    whileRunning: true,
    doc: 'For tools that ask: memory does not bound the data.',
  }),
  memoryPolicy: row({
    name: 'maxmemory-policy',
    type: always('noeviction', 'data is kept on disk, and nothing is evicted'),
    default: 'noeviction',
    whileRunning: true,
    doc: 'For tools that ask: nothing is evicted.',
  }),
  databases: row({
    name: 'databases',
    type: always('1', 'a cluster has database 0 only, as Redis Cluster'),
    default: '1',
    whileRunning: false,
    doc: 'For tools that ask: database 0 only.',
  }),
} as const;
