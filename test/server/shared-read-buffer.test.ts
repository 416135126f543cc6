/** What sockets send is read some in a turn, and all of it in the end; whoever was paused is not read on. */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { ReadBudget, readShared } from '../../server/shared-read-buffer.js';
import { until } from '../harness/until.js';

const mebibyte = 1024 * 1024;
const budgetBytes = 128 * 1024;
/** One read: each socket is read once more when the budget is spent. */
const readBytes = 64 * 1024;
const sockets = 3;

interface Reading {
  readonly theirs: Socket;
  readonly ours: Socket;
  /** Copied: what comes is lent. */
  readonly chunks: Buffer[];
}

async function readings(
  t: ExecutionContext,
  came: (bytes: number, of: number) => void,
  budget = new ReadBudget(budgetBytes),
): Promise<Reading[]> {
  const made: Reading[] = [];
  const server = createServer({ pauseOnConnect: true }, (accepted) => {
    const chunks: Buffer[] = [];
    const theirs = clients[made.length] as Socket;
    const index = made.length;
    const ours = readShared(
      accepted,
      (chunk) => {
        chunks.push(Buffer.from(chunk));
        came(chunk.length, index);
      },
      budget,
    );
    made.push({ theirs, ours, chunks });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const clients: Socket[] = [];
  t.teardown(() => {
    for (const { theirs, ours } of made) {
      theirs.destroy();
      ours.destroy();
    }
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  for (let i = 0; i < sockets; i++) {
    clients.push(connect(address.port, '127.0.0.1'));
    await until(() => made.length === i + 1, 'it is accepted');
  }
  return made;
}

const bytesOf = ({ chunks }: Reading): number => chunks.reduce((sum, { length }) => sum + length, 0);

test('of what has come a turn reads the budget, and once more of each socket; all of it comes, in order', async (t) => {
  let inTurn = 0;
  let mostInTurn = 0;
  let counting = false;
  const made = await readings(t, (bytes) => {
    inTurn += bytes;
    mostInTurn = Math.max(mostInTurn, inTurn);
    if (counting) return;
    counting = true;
    setImmediate(() => {
      counting = false;
      inTurn = 0;
    });
  });
  const sent = made.map((_, i) => Buffer.from(new Uint32Array(mebibyte).map((_word, at) => at * sockets + i).buffer));
  for (const [i, { theirs }] of made.entries()) theirs.write(sent[i] as Buffer);
  await until(() => made.every((reading) => bytesOf(reading) === 4 * mebibyte), 'all has come');
  for (const [i, { chunks }] of made.entries()) t.true(Buffer.concat(chunks).equals(sent[i] as Buffer));
  t.true(mostInTurn >= budgetBytes, `${mostInTurn}`);
  t.true(mostInTurn <= budgetBytes + sockets * readBytes, `${mostInTurn}`);
});

test('a turn reads no more than once of each socket when what was read took long', async (t) => {
  let nowMs = 0;
  let inTurn = [0, 0, 0];
  let counting = false;
  const most = [0, 0, 0];
  const came = (bytes: number, of: number): void => {
    nowMs += 3;
    inTurn[of] = (inTurn[of] as number) + bytes;
    most[of] = Math.max(most[of] as number, inTurn[of] as number);
    if (counting) return;
    counting = true;
    setImmediate(() => {
      counting = false;
      inTurn = [0, 0, 0];
    });
  };
  const made = await readings(t, came, new ReadBudget(64 * mebibyte, () => nowMs));
  for (const [i, { theirs }] of made.entries()) theirs.write(Buffer.alloc(4 * mebibyte, `socket ${i} `));
  await until(() => made.every((reading) => bytesOf(reading) === 4 * mebibyte), 'all has come');
  t.deepEqual(most, [readBytes, readBytes, readBytes]);
});

test('who is paused while it rests is not read on, and goes on where it was', async (t) => {
  const paused = 1;
  const made: Reading[] = await readings(t, (_, of) => {
    const reading = made[of] as Reading;
    if (of === paused && bytesOf(reading) >= mebibyte) reading.ours.pause();
  });
  const sent = made.map((_, i) => Buffer.alloc(4 * mebibyte, `socket ${i} `));
  for (const [i, { theirs }] of made.entries()) theirs.write(sent[i] as Buffer);
  const [first, held, last] = made as [Reading, Reading, Reading];
  await until(() => [first, last].every((reading) => bytesOf(reading) === 4 * mebibyte), 'the others have all');
  await setTimeout(50);
  const heldBytes = bytesOf(held);
  t.true(heldBytes >= mebibyte && heldBytes <= mebibyte + readBytes, `${heldBytes}`);
  while (bytesOf(held) < 4 * mebibyte) {
    held.ours.resume();
    await setTimeout(1);
  }
  for (const [i, { chunks }] of made.entries()) t.true(Buffer.concat(chunks).equals(sent[i] as Buffer));
});
