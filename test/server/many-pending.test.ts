/**
 * What monitoring asks of groups with much that is pending (XPENDING, XINFO GROUPS, XINFO CONSUMERS): it is counted in slices of bounded work, and is of the instant of
 * its command, whatever is acknowledged, claimed and given meanwhile.
 */
import test from 'ava';
import { LongReply } from '../../protocol/resp/long-reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { ErrorReply, MapReply, type EncodedPieces, type Reply } from '../../protocol/resp/reply.js';
import { CommandLookup } from '../../server/command-lookup.js';
import { allRows } from '../../server/commands/all.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { runCold } from '../storage/cold-command.js';
import { HandClock } from '../storage/log-fixtures.js';
import { openStore, type OpenedStore } from '../storage/store-fixtures.js';

const lookup = new CommandLookup(allRows);
const entries = 6_000;
const sliceElementsMost = 1_000;
const bulk = (text: string | number): Buffer => Buffer.from(String(text));

class Shell {
  constructor(
    readonly opened: OpenedStore,
    private readonly clock: HandClock,
  ) {}

  async ask(...words: (string | number)[]): Promise<Reply> {
    const args = words.map(bulk);
    const row = lookup.resolve(args);
    if (row instanceof ErrorReply || row.scope !== 'keys') throw new Error(`${words.join(' ')} is no command on a key`);
    const run = row.parse(args);
    if (run instanceof ErrorReply) throw new Error(run.text);
    return (await runCold(this.opened, this.clock, bulk('s'), run)).result;
  }
}

/** Of two groups much is pending, in one of them with two consumers and a third that has claimed some; the third group has read nothing. */
async function fill(shell: Shell): Promise<void> {
  for (let i = 1; i <= entries; i++) await shell.ask('XADD', 's', `${i}-0`, 'f', 'v');
  for (const group of ['g1', 'g2', 'idle']) await shell.ask('XGROUP', 'CREATE', 's', group, 0);
  await shell.ask('XREADGROUP', 'GROUP', 'g1', 'alice', 'COUNT', 2_500, 'STREAMS', 's', '>');
  await shell.ask('XREADGROUP', 'GROUP', 'g1', 'bob', 'COUNT', 2_500, 'STREAMS', 's', '>');
  await shell.ask('XREADGROUP', 'GROUP', 'g2', 'carol', 'COUNT', 3_000, 'STREAMS', 's', '>');
  for (let i = 1; i <= 100; i++) await shell.ask('XCLAIM', 's', 'g1', 'dave', 0, `${i * 30}-0`);
  await shell.ask('XACK', 's', 'g1', ...Array.from({ length: 50 }, (_, i) => `${i + 1}-0`)); // 30 was dave's
}

/** Of the entries 30, 60, ... 3000 dave has all that are not acknowledged. */
const pendingOf = { alice: 2_500 - 83 - 49, bob: 2_500 - 17, dave: 99 } as const;
const allPending = pendingOf.alice + pendingOf.bob + pendingOf.dave;

const consumers = (): Reply =>
  Object.entries(pendingOf).map(
    ([name, pending]) =>
      new MapReply([
        ['name', bulk(name)],
        ['pending', pending],
        ['idle', 0],
        ['inactive', 0],
      ]),
  );

const groups = (): Reply =>
  (
    [
      ['g1', 3, allPending, '5000-0', 5_000],
      ['g2', 1, 3_000, '3000-0', 3_000],
      ['idle', 0, 0, '0-0', null],
    ] as const
  ).map(
    ([name, readers, pending, last, read]) =>
      new MapReply([
        ['name', bulk(name)],
        ['consumers', readers],
        ['pending', pending],
        ['last-delivered-id', bulk(last)],
        ['entries-read', read],
        ['lag', entries - (read ?? 0)],
      ]),
  );

const summary = (): Reply => [
  allPending,
  bulk('51-0'),
  bulk('5000-0'),
  Object.entries(pendingOf).map(([name, pending]) => [bulk(name), bulk(pending)]),
];

/** Lets the reply be made, one slice after the other; `between` two of them something else happens. */
async function made(reply: Reply, between: () => Promise<void>): Promise<{ readonly bytes: Buffer; readonly slices: number }> {
  if (!(reply instanceof LongReply)) throw new Error('it was answered at once');
  let whole: EncodedPieces | undefined;
  reply.whenWhole((pieces) => (whole = pieces));
  let slices = 1;
  for (; !reply.proceed(); slices++) await between();
  return { bytes: Buffer.concat(whole?.pieces ?? []), slices };
}

for (const [words, expected, elements] of [
  [['XPENDING', 's', 'g1'], summary, allPending + 99],
  [['XINFO', 'CONSUMERS', 's', 'g1'], consumers, allPending + 99],
  [['XINFO', 'GROUPS', 's'], groups, allPending + 99 + 3_000],
] as const) {
  test(`${words.join(' ')} of thousands that are pending`, async (t) => {
    const files = new MemoryLogFiles();
    const engine = new MemoryEngine();
    const clock = new HandClock();
    const filled = new Shell(await openStore(engine, files, { clock }), clock);
    await fill(filled);
    await filled.opened.close();
    // From a cold stream first: what is pending is loaded for it.
    const clockOfNext = new HandClock();
    const shell = new Shell(await openStore(engine.reopened(), files, { clock: clockOfNext }), clockOfNext);
    const { store } = shell.opened;
    const here = store.partition(0);
    const { pins } = here;
    const { table } = store;
    const keyBytes = table.keyBytes.bind(table);
    let [inSlice, most] = [0, 0];
    const reply = await shell.ask(...words);
    table.keyBytes = (entry) => {
      most = Math.max(most, ++inSlice);
      return keyBytes(entry);
    };
    let next = 51;
    const { bytes, slices } = await made(reply, async () => {
      table.keyBytes = keyBytes;
      // What was not met yet, and what was, goes, and goes to others.
      await shell.ask('XACK', 's', 'g1', `${next}-0`, `${5_051 - next}-0`, `${next + 1_000}-0`);
      await shell.ask('XCLAIM', 's', 'g1', 'erin', 0, `${next + 2_000}-0`, `${next + 1}-0`);
      await shell.ask('XREADGROUP', 'GROUP', 'g1', 'bob', 'COUNT', 10, 'STREAMS', 's', '>');
      await shell.ask('XREADGROUP', 'GROUP', 'idle', 'bob', 'COUNT', 10, 'STREAMS', 's', '>');
      next += 30;
      inSlice = 0;
      table.keyBytes = (entry) => {
        most = Math.max(most, ++inSlice);
        return keyBytes(entry);
      };
    });
    t.is(bytes.toString('latin1'), encodeReply(expected(), 2).toString('latin1'));
    t.is(slices, Math.ceil(elements / sliceElementsMost));
    t.true(most <= sliceElementsMost, `${most} elements in one turn`);
    t.true(most > sliceElementsMost / 2, 'nothing was counted');
    t.is(here.pins, pins);
    t.false(here.collections.hasSnapshots);
    await shell.opened.close();
  });
}

test('few that are pending are told of at once, and so are none', async (t) => {
  const clock = new HandClock();
  const shell = new Shell(await openStore(new MemoryEngine(), new MemoryLogFiles(), { clock }), clock);
  await shell.ask('XGROUP', 'CREATE', 's', 'g', 0, 'MKSTREAM');
  const empty = await shell.ask('XPENDING', 's', 'g');
  t.deepEqual(encodeReply(empty, 2).toString(), '*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n');
  for (let i = 1; i <= 3; i++) await shell.ask('XADD', 's', `${i}-0`, 'f', 'v');
  await shell.ask('XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 's', '>');
  await shell.ask('XCLAIM', 's', 'g', 'bob', 0, '2-0');
  const few = await shell.ask('XPENDING', 's', 'g');
  t.deepEqual(
    encodeReply(few, 2),
    encodeReply(
      [
        3,
        bulk('1-0'),
        bulk('3-0'),
        [
          ['alice', '2'],
          ['bob', '1'],
        ].map((pair) => pair.map(bulk)),
      ],
      2,
    ),
  );
  await shell.opened.close();
});
