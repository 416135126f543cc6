/** What a node writes to its disk, and how much memory it keeps. */
import { mebibyte, row } from '../directive.js';
import { memorySize, memorySizeOrNone, oneOf } from '../value-types.js';

export const storageDirectives = {
  durability: row({
    name: 'durability',
    type: oneOf('always', 'everysec', 'os'),
    default: 'everysec',
    whileRunning: false,
    doc: 'When the commit log is synced to the disk: before each acknowledgement, each second, or when the system likes.',
  }),
  freeBytesMin: row({
    name: 'min-free-space',
    type: memorySizeOrNone(mebibyte),
    default: '256mb',
    unit: 'bytes',
    whileRunning: true,
    doc: 'A node with less left on its disk takes no writes until there is a quarter more; 0 = it writes until the disk refuses, and then not until the disk takes writes again.',
  }),
  cacheBytesMax: row({
    name: 'cache-size',
    type: memorySize(mebibyte),
    default: '256mb',
    unit: 'bytes',
    whileRunning: false,
    doc: 'Memory for objects in use; others are read from the disk.',
  }),
  writeBacklogMax: row({
    name: 'write-backlog-max',
    type: memorySize(mebibyte),
    default: '768mb',
    unit: 'bytes',
    whileRunning: false,
    doc: 'Bytes of the commit log that RocksDB does not have yet, so that memory beside cache-size has to hold what they wrote. From a sixth on they are written out, from a third on writes are slowed to what the disk takes, and with more the node takes no writes until there is less than a third.',
  }),
} as const;
