/** Log entries in slices: one slice a turn, whoever writes when, and what is read is what was written. */
import test from 'ava';
import { SlicedEntries } from '../../storage/sliced-entries.js';
import { HandClock } from './log-fixtures.js';

test('one slice is appended in a turn, also of an entry that is begun when the one before has ended', async (t) => {
  const clock = new HandClock();
  const appended: { readonly isEnd: boolean; readonly payload: Buffer }[] = [];
  const ended: string[] = [];
  let again = 3;
  const write = (text: string): void => {
    sliced.write(Buffer.from(text), (end) => {
      ended.push(text);
      end(1, 0);
    });
  };
  const sliced: SlicedEntries = new SlicedEntries(
    clock,
    {
      appendSlice: (header, bytes) => void appended.push({ isEnd: false, payload: Buffer.concat([header, bytes]) }),
      appendEnd: (payload) => void appended.push({ isEnd: true, payload }),
      flush: () => undefined,
      isHeld: () => false,
      between: () => {
        if (again-- > 0) write(`again ${again}`);
      },
    },
    (error) => t.fail(String(error)),
    4,
  );
  write('0123456789');
  for (let turns = 1; turns <= 20; turns++) {
    const before = appended.filter(({ isEnd }) => !isEnd).length;
    await clock.advance(0);
    t.true(appended.filter(({ isEnd }) => !isEnd).length <= before + 1, `turn ${turns}`);
  }
  t.deepEqual(ended, ['0123456789', 'again 2', 'again 1', 'again 0']);
  t.false(sliced.isWithin);
  const read: string[] = [];
  for (const { isEnd, payload } of appended) {
    if (isEnd) read.push(sliced.replayEnd(payload).bytes.toString());
    else sliced.replaySlice(payload);
  }
  t.deepEqual(read, ended);
});

test('who wrote an entry hears of it when the file has taken all of it, and not when the disk is full (seed 276)', async (t) => {
  const clock = new HandClock();
  const heard: string[] = [];
  let room = 3;
  const sliced = new SlicedEntries(
    clock,
    {
      appendSlice: () => undefined,
      appendEnd: () => heard.push('end'),
      flush: () => {
        if (room-- === 0) throw new Error('no room');
      },
      isHeld: () => false,
      between: () => undefined,
    },
    (error) => heard.push(String(error)),
    4,
  );
  for (const text of ['01234567', '01234567'])
    sliced.write(
      Buffer.from(text),
      (end) => end(1, 0),
      () => heard.push('flushed'),
    );
  for (let turns = 1; turns <= 8; turns++) await clock.advance(0);
  t.deepEqual(heard, ['end', 'flushed', 'end', 'Error: no room']);
});

test('while the file takes nothing no slice is appended, who waits for a gap is not kept, and nobody hears of what ended just then', async (t) => {
  const clock = new HandClock();
  const heard: string[] = [];
  let held = false;
  const sliced = new SlicedEntries(
    clock,
    {
      appendSlice: () => heard.push('slice'),
      appendEnd: () => heard.push('end'),
      flush: () => (held = heard.length >= 2),
      isHeld: () => held,
      between: () => undefined,
    },
    (error) => t.fail(String(error)),
    4,
  );
  const write = (text: string): void =>
    sliced.write(
      Buffer.from(text),
      (end) => end(1, 0),
      () => heard.push(`flushed ${text}`),
    );
  write('0123');
  write('45678');
  sliced.whenBetween(() => heard.push('between'));
  for (let turns = 1; turns <= 5; turns++) await clock.advance(0);
  t.deepEqual(heard, ['between', 'slice', 'end']);
  held = false;
  sliced.resume();
  t.is(heard.at(-1), 'flushed 0123');
  await clock.advance(0);
  t.true(sliced.isWithin);
  sliced.whenBetween(() => heard.push('let go'));
  t.deepEqual(heard.slice(4), ['slice', 'let go'], 'it is within an entry, and nobody knows for how long');
  sliced.resume();
  held = false;
  sliced.resume();
  await clock.advance(0);
  t.deepEqual(heard.slice(6), ['slice', 'end']);
});
