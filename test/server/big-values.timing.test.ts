/**
 * Commands that make a value of a large one, or go through it, do so in slices: the longest turn of the event loop of a node, in CPU time, while each of them runs on 128 MiB. In one piece it
 * was 60 ms for the copy of APPEND, 200 for a count of bits, 270 for BITOP. TORC_BIG_MB is the size.
 */
import test from 'ava';
import { Redis } from 'ioredis';
import { startNode } from '../harness/processes.js';
import { MeteredServer } from '../harness/turn-figures.js';

const size = Number(process.env['TORC_BIG_MB'] ?? 128) * 1024 * 1024;
/** What is to be had is 10; the machine may be busy, whose memory is slower then. */
const longestTurnMs = 25;

test('no command on a large value takes a long turn', async (t) => {
  t.timeout(600_000);
  const group = await startNode();
  t.teardown(() => group.stop());
  const metered = await MeteredServer.inPlaceOf(group, 0);
  t.teardown(() => metered.server.stop());
  const client = new Redis(metered.server.port, '127.0.0.1', { maxRetriesPerRequest: 0, enableReadyCheck: false });
  t.teardown(() => client.disconnect());
  await client.ping();
  await metered.figures(); // the start is not what this is about
  const value = Buffer.alloc(size, 'v');
  const tooLong: string[] = [];
  const measure = async (name: string, run: () => Promise<unknown>, expected: unknown): Promise<void> => {
    t.deepEqual(await run(), expected, name);
    const { longestMs, longestWithCollectionMs } = await metered.figures();
    t.log(`${name}: ${longestMs.toFixed(1)} ms of CPU, with garbage collection ${longestWithCollectionMs.toFixed(1)} ms`);
    if (longestMs >= longestTurnMs) tooLong.push(`${name}: ${longestMs.toFixed(1)} ms`);
  };
  await measure('SET', () => client.set('{k}a', value), 'OK');
  await measure('APPEND', () => client.append('{k}a', 'end'), size + 3);
  await measure('SETRANGE', () => client.setrange('{k}a', 3, 'here'), size + 3);
  await measure('SETBIT', () => client.setbit('{k}a', 0, 1), 0);
  await measure('BITFIELD', () => client.call('BITFIELD', '{k}a', 'SET', 'u8', 8 * size, '255'), [0x65]);
  await measure('BITCOUNT', () => client.bitcount('{k}a', 0, 1), 6 + 5);
  await measure('BITCOUNT of all', async () => (await client.bitcount('{k}a')) > 0, true);
  await measure('BITPOS', () => client.bitpos('{k}a', 1, size + 2), 8 * (size + 2) + 1);
  await measure('BITOP', () => client.bitop('XOR', '{k}b', '{k}a', '{k}a'), size + 3);
  await measure('BITPOS in zeros', () => client.bitpos('{k}b', 1), -1);
  await measure('GET', async () => (await client.getBuffer('{k}b'))?.length, size + 3);
  t.deepEqual(tooLong, []);
});
