/**
 * One client on a real socket, with a cluster that the test plays: replies come in the order of commands whatever order they are answered
 * in, split commands are joined, and neither commands under way nor untaken replies grow without bound.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fc from '../harness/properties.js';
import test, { type ExecutionContext } from 'ava';
import type { Call } from '../../cluster/call.js';
import { Session } from '../../cluster/session.js';
import { EncodedReply, ErrorReply, ok, type Reply } from '../../protocol/resp/reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { ClientGate } from '../../server/client-gate.js';
import { CommandTimings } from '../../server/command-timings.js';
import { CommandLookup } from '../../server/command-lookup.js';
import { allRows } from '../../server/commands/all.js';
import type { CommandRow } from '../../server/command-table.js';
import type { OutputBufferLimit } from '../../server/config/value-types.js';
import type { Connection } from '../../server/connection.js';
import { Dispatcher } from '../../server/dispatcher.js';
import { Listener } from '../../server/listener.js';
import { Statistics } from '../../server/statistics.js';
import { TurnBudget } from '../../server/turn-budget.js';
import { stillClock } from '../cluster/links.js';
import { freePort } from '../harness/free-ports.js';
import { ReplyReader } from '../harness/reply-reader.js';
import { encodeRequest } from '../protocol/resp/decoding.js';
import { AclLog } from '../../server/acl/acl-log.js';
import { memoryUsers } from './acl/memory-users.js';
import { localContext } from './commands/local-node.js';
import { noFailedCommands } from '../harness/no-failed-commands.js';

interface Fixture {
  readonly client: Socket;
  /** Calls that were not answered, oldest first. */
  readonly calls: Call[];
  readonly replies: string[];
  readonly connection: () => Connection;
  /** Resolves when `condition` holds; looks whenever something happens. */
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly statistics: Statistics;
  readonly listener: Listener;
}

/** A command of two keys that have to be in one partition. */
const both: CommandRow = {
  name: 'both',
  scope: 'keys',
  arity: 3,
  flags: ['write'],
  keys: { first: 1, last: 2, step: 1 },
  categories: ['write'],
  docs: { summary: '', since: '1.0.0', group: 'generic', complexity: '', syntax: 'key key' },
  parse: () => () => ok,
};

interface FixtureOptions {
  /** client-output-buffer-limit; what is not given is no limit. */
  readonly limits?: Partial<OutputBufferLimit>;
  readonly idleTimeoutSeconds?: number;
  readonly answer?: (call: Call) => Reply;
}

async function fixture(t: ExecutionContext, options: FixtureOptions = {}): Promise<Fixture> {
  const { answer } = options;
  const lookup = new CommandLookup([...allRows, both]);
  const calls: Call[] = [];
  const replies: string[] = [];
  let look: () => void = () => undefined;
  const submit = (call: Call): void => {
    if (answer === undefined) calls.push(call);
    else call.answer(answer(call));
    look();
  };
  const statistics = new Statistics(0, { expiredKeys: () => 0, section: () => [], monotonicMs: () => performance.now() });
  const { slowLog, latency } = localContext().context;
  const flushAtEnd = (target: { flush(): void }): void => void setImmediate(() => target.flush());
  const port = await freePort();
  const listener = await Listener.open(
    {
      addresses: ['127.0.0.1'],
      port,
      backlog: 10,
      clientsMax: () => 10,
      idleTimeoutSeconds: () => options.idleTimeoutSeconds ?? 0,
      keepaliveSeconds: () => 0,
      isProtected: () => false,
      tls: undefined,
    },
    {
      lookup,
      dispatcher: new Dispatcher({
        lookup,
        partitions: () => 16,
        submit,
        wholePartitionDeadlineMs: () => 10_000,
        nextTurn: setImmediate,
        failed: noFailedCommands,
      }),
      failed: noFailedCommands,
      statistics,
      submit,
      newSession: () => new Session(submit, stillClock),
      nowMs: () => 1,
      traces: { isOn: false, sample: () => undefined },
      gate: new ClientGate({ monotonicMs: () => performance.now(), unixMicroseconds: () => 1_700_000_000_123_456 }),
      budget: new TurnBudget(
        (callback) => void setImmediate(callback),
        () => performance.now(),
      ),
      timings: new CommandTimings({ slowLog, latency, monotonicMs: () => performance.now(), flushAtEnd }),
      arrivalMs: () => performance.now(),
      commandTimeoutMs: () => 1000,
      users: memoryUsers(),
      aclLog: new AclLog({ nowMs: () => 1, entriesMax: () => 128 }),
      requestLimits: { multibulkMax: 1024, bulkBytesMax: 1 << 24, inlineBytesMax: 65536, queryBufferBytesMax: 1 << 26 },
      outputLimit: () => ({ hardBytes: 0, softBytes: 0, softSeconds: 0, ...options.limits }),
      contextOf: (client) => ({ ...localContext().context, client }),
      inputTaken: () => undefined,
      flushAtEnd,
      closed: (connection) => {
        listener.forget(connection);
        look();
      },
      outputLimitReached: () => statistics.outputLimitDisconnections++,
    },
  );
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  const reader = new ReplyReader((kind, text) => replies.push(kind === 'null' ? 'nil' : text));
  client.on('data', (chunk) => {
    reader.push(chunk);
    look();
  });
  client.on('error', () => client.destroy());
  t.teardown(async () => {
    client.destroy();
    await listener.finish(1000);
  });
  const until = (condition: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      look = () => condition() && resolve();
      look();
    });
  const connection = (): Connection => {
    const [only] = listener.clients();
    if (only === undefined) throw new Error('no client is connected');
    return only;
  };
  return { client, calls, replies, connection, until, statistics, listener };
}

test('long commands of one piece of input are spread over turns, in order, with what stands between them', async (t) => {
  const { client, calls, replies, until } = await fixture(t);
  const members = Array.from({ length: 400 }, (_, index) => `m${index}`);
  const commands = Array.from({ length: 12 }, (_, index) => (index % 4 === 3 ? ['GET', 's'] : ['SADD', 's', ...members]));
  const callsByTurn: number[] = [];
  const count = (): void => {
    callsByTurn.push(calls.length);
    if (calls.length < commands.length) setImmediate(count);
  };
  setImmediate(count);
  client.write(Buffer.concat(commands.map((words) => encodeRequest(words))));
  await until(() => calls.length === commands.length);
  count();
  const steps = callsByTurn.map((calls, at) => calls - (callsByTurn[at - 1] ?? 0)).filter((calls) => calls > 0);
  t.true(Math.max(...steps) <= 4 && steps.length >= 3, steps.join());
  t.deepEqual(
    calls.map(({ args }) => args.length),
    commands.map((words) => words.length),
  );
  for (const [index, call] of calls.entries()) call.answer(index);
  await until(() => replies.length === commands.length);
  t.deepEqual(
    replies,
    commands.map((_, index) => String(index)),
  );
});

/** A pipeline of so many SADDs of 400 members. */
const longPipeline = (commands: number): Buffer =>
  Buffer.concat(Array.from({ length: commands }, () => encodeRequest(['SADD', 's', ...Array.from({ length: 400 }, (_, i) => `m${i}`)])));

test('of a client that rests no more is read than there is to decode, though each command is answered at once', async (t) => {
  let mostBytes = 0;
  const { client, replies, until, connection } = await fixture(t, {
    answer: () => {
      mostBytes = Math.max(mostBytes, connection().queryBufferBytes);
      return 400;
    },
  });
  const commands = 2000;
  const bytes = longPipeline(commands);
  client.write(bytes);
  await until(() => replies.length === commands);
  t.true(bytes.length > 64 * 65_536, `${bytes.length}`);
  t.true(mostBytes > 16_384 && mostBytes < 2 * 65_536, `${mostBytes}`);
});

test('a client that ends its side after long commands has each of them run, though each is answered at once', async (t) => {
  for (const commands of [7, 60]) {
    const { client, replies } = await fixture(t, { answer: () => 400 });
    client.end(longPipeline(commands));
    await once(client, 'close');
    t.deepEqual(
      replies,
      Array.from({ length: commands }, () => '400'),
    );
  }
});

test('a protocol error behind commands that rest is answered after them, and ends the connection without a reset', async (t) => {
  for (const commands of [3, 4, 30]) {
    const { client, replies } = await fixture(t, { answer: () => 400 });
    client.write(Buffer.concat([longPipeline(commands), Buffer.from('*x\r\n'), Buffer.alloc(100_000)]));
    const [hadError] = (await once(client, 'close')) as [boolean];
    t.false(hadError);
    t.deepEqual(replies, [...Array.from({ length: commands }, () => '400'), 'ERR Protocol error: invalid multibulk length']);
  }
});

const get = (key: string): Buffer => encodeRequest(['GET', key]);

test('replies come in the order of commands, whatever order they are answered in', async (t) => {
  const { client, calls, replies, until } = await fixture(t);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(), { minLength: 1, maxLength: 40 }), fc.boolean(), async (order, ready) => {
      replies.length = 0;
      client.write(Buffer.concat(order.map((_, i) => (i % 7 === 6 ? encodeRequest(['PING', `k${i}`]) : get(`k${i}`)))));
      const sent = order.filter((_, i) => i % 7 !== 6).length;
      await until(() => calls.length === sent);
      for (const choice of order) {
        const [call] = calls.splice(choice % Math.max(1, calls.length), 1);
        const value = call?.args[1] ?? Buffer.alloc(0);
        call?.answer(ready ? new EncodedReply(encodeReply(value, 2)) : value);
        if (choice % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => replies.length === order.length);
      t.deepEqual(
        replies,
        order.map((_, i) => `k${i}`),
      );
    }),
    { numRuns: 40 },
  );
});

test('a command of many partitions is split and joined, in its place', async (t) => {
  const { client, calls, replies, until } = await fixture(t);
  client.write(Buffer.concat([encodeRequest(['MGET', 'a', 'b', 'c', 'd']), encodeRequest(['DEL', 'a', 'b', 'c']), get('after')]));
  await until(() => calls.some(({ args }) => args[1]?.toString() === 'after'));
  t.true(calls.length > 4);
  for (const call of calls.splice(0).toReversed()) {
    const name = call.args[0]?.toString();
    if (name === 'MGET') call.answer(new EncodedReply(encodeReply(call.args.slice(1), 2)));
    else if (name === 'DEL') call.answer(call.args.length - 1);
    else call.answer(call.args[1] ?? null);
  }
  const reader: string[] = [];
  client.removeAllListeners('data');
  client.on('data', (chunk) => reader.push(chunk.toString()));
  while (!reader.join('').endsWith('after\r\n')) await once(client, 'data');
  t.is(reader.join(''), '*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n:3\r\n$5\r\nafter\r\n');
  t.is(replies.length, 0);
});

test('keys that cannot be split over partitions are refused; in one partition they are not', async (t) => {
  const { client, calls, replies, until, statistics } = await fixture(t);
  const pair = (x: string, y: string): Buffer => encodeRequest(['BOTH', x, y]);
  client.write(pair('a', 'b'));
  await until(() => replies.length === 1);
  t.is(replies[0], "CROSSSLOT Keys in request don't hash to the same slot");
  t.is(statistics.errorsByCode().get('CROSSSLOT'), 1);
  client.write(pair('{x}a', '{x}b'));
  await until(() => calls.length === 1);
  calls[0]?.answer(ok);
  await until(() => replies.length === 2);
  t.is(replies[1], 'OK');
});

test('commands under way are bounded: the client is read on when enough of them are answered', async (t) => {
  const { client, calls, replies, until, connection } = await fixture(t);
  const total = 40_000;
  const request = get('key');
  client.write(Buffer.concat(Array.from({ length: total }, () => request)));
  let answered = 0;
  let most = 0;
  const mostAllowed = 1024 + Math.ceil(65536 / request.length) + 1;
  await until(() => calls.length > 1024);
  const severalTurns = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  await severalTurns(); // a read is taken in several, if it is long
  const held = connection().commandsProcessed;
  t.true(held <= mostAllowed, `${held} commands under way`);
  await severalTurns();
  t.is(connection().commandsProcessed, held, 'not read on while none is answered');
  while (answered < total) {
    await until(() => calls.length > 0);
    most = Math.max(most, calls.length);
    for (const call of calls.splice(0)) {
      answered++;
      call.answer(1);
    }
  }
  await until(() => replies.length === total);
  t.true(most <= mostAllowed, `${most} calls were under way`);
});

test('a client that does not take its replies is read no further, and beyond the limit is closed', async (t) => {
  const value = Buffer.alloc(64 * 1024, 'v');
  const { client, replies, connection, until, statistics } = await fixture(t, { answer: () => value });
  client.pause();
  const requests = 600;
  client.write(Buffer.concat(Array.from({ length: requests }, () => get('k'.repeat(1000)))));
  await until(() => connection().commandsProcessed > 0);
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  t.true(connection().commandsProcessed < requests, 'it is not read on');
  client.resume();
  await until(() => replies.length === requests);
  t.is(statistics.outputLimitDisconnections, 0);

  const limited = await fixture(t, { answer: () => Buffer.alloc(8 << 20), limits: { hardBytes: 1 << 20 } });
  limited.client.pause();
  limited.client.write(Buffer.concat(Array.from({ length: 8 }, () => get('key'))));
  await limited.until(() => limited.statistics.outputLimitDisconnections === 1);
  t.pass();
});

test('a client above the soft limit is closed when it has been there for too long, and not before', async (t) => {
  const { client, until, statistics, listener } = await fixture(t, {
    answer: () => Buffer.alloc(8 << 20),
    limits: { softBytes: 1 << 20, softSeconds: 60 },
  });
  client.pause();
  client.write(Buffer.concat(Array.from({ length: 8 }, () => get('key'))));
  await until(() => (listener.clients()[0]?.outputBufferBytes ?? 0) > 1 << 20);
  const overSinceMs = performance.now();
  listener.review(overSinceMs);
  listener.review(overSinceMs + 59_000);
  t.is(statistics.outputLimitDisconnections, 0);
  listener.review(overSinceMs + 61_000);
  t.is(statistics.outputLimitDisconnections, 1);
  await until(() => listener.size === 0);
});

test('timeout ends clients that ask for nothing, also those that were there before it was set; one that waits for an answer or watches stays', async (t) => {
  let idleTimeoutSeconds = 0;
  const { client, calls, replies, connection, until, listener } = await fixture(t, {
    get idleTimeoutSeconds() {
      return idleTimeoutSeconds;
    },
  });
  client.write(get('a'));
  await until(() => calls.length === 1);
  const askedMs = performance.now();
  idleTimeoutSeconds = 30;
  listener.review(askedMs + 40_000);
  t.false(connection().isClosing, 'it waits for an answer');
  calls[0]?.answer(1);
  await until(() => replies.length === 1);
  listener.review(askedMs + 29_000);
  t.false(connection().isClosing, 'it has not been idle for so long');
  connection().setMonitoring(true);
  listener.review(askedMs + 40_000);
  t.false(connection().isClosing, 'it watches');
  connection().setMonitoring(false);
  const ended = once(client, 'end');
  listener.review(askedMs + 40_000);
  await ended;
  await until(() => listener.size === 0);
});

test('timeout is also for a client that does not take its replies: it is still limited, and cut when it has not gone', async (t) => {
  const idle = { answer: () => Buffer.alloc(64 << 20), idleTimeoutSeconds: 30 };
  const leaveReply = async ({ client, until, listener }: Fixture): Promise<number> => {
    client.pause();
    client.write(get('key'));
    await until(() => (listener.clients()[0]?.outputBufferBytes ?? 0) > 1 << 20);
    return performance.now();
  };
  const limited = await fixture(t, { ...idle, limits: { softBytes: 1 << 20, softSeconds: 60 } });
  const overSinceMs = await leaveReply(limited);
  for (const seconds of [0, 40, 59]) limited.listener.review(overSinceMs + seconds * 1000);
  t.is(limited.statistics.outputLimitDisconnections, 0);
  limited.listener.review(overSinceMs + 61_000);
  t.is(limited.statistics.outputLimitDisconnections, 1);

  const { listener, until, ...unlimited } = await fixture(t, idle);
  const leftMs = await leaveReply({ listener, until, ...unlimited });
  listener.review(leftMs + 40_000);
  t.is(listener.size, 1, 'what it was answered is still sent, as long as it may yet take that');
  listener.review(leftMs + 70_000);
  await until(() => listener.size === 0);
  t.is(unlimited.statistics.outputLimitDisconnections, 0);
});

test('QUIT is answered after all before it, and nothing follows it', async (t) => {
  const { client, calls, replies, until } = await fixture(t);
  const ended = once(client, 'end');
  client.write(Buffer.concat([get('a'), encodeRequest(['QUIT']), get('b')]));
  await until(() => calls.length === 1);
  calls[0]?.answer(1);
  await ended;
  t.deepEqual(replies, ['1', 'OK']);
  t.is(calls.length, 1);
});

test('a protocol error is answered after what was under way, and ends the connection', async (t) => {
  const { client, calls, replies, until } = await fixture(t);
  const ended = once(client, 'end');
  client.write(Buffer.concat([get('a'), Buffer.from('*1\r\n+no\r\n')]));
  await until(() => calls.length === 1);
  calls[0]?.answer(new ErrorReply('UNKNOWNOUTCOME'));
  await ended;
  t.is(replies.length, 2);
  t.is(replies[0], 'UNKNOWNOUTCOME');
  t.regex(replies[1] ?? '', /^ERR Protocol error/);
});

test('answers to a client that is gone are dropped', async (t) => {
  const { client, calls, until, connection } = await fixture(t);
  client.write(Buffer.concat([get('a'), get('b')]));
  await until(() => calls.length === 2);
  const gone = connection();
  client.resetAndDestroy();
  await until(() => {
    try {
      return connection() !== gone;
    } catch {
      return true;
    }
  });
  t.notThrows(() => calls.forEach((call) => call.answer(1)));
  t.notThrows(() => gone.flush());
});

test('a connection that is finished answers what it took, drops what comes after, and ends', async (t) => {
  const { client, calls, replies, until, listener } = await fixture(t);
  const ended = once(client, 'end');
  client.write(Buffer.concat([get('a'), get('b')]));
  await until(() => calls.length === 2);
  const finished = listener.finish(60_000);
  client.write(get('c'));
  calls[1]?.answer('second');
  t.deepEqual(replies, []);
  calls[0]?.answer('first');
  await ended;
  await finished;
  t.deepEqual(replies, ['first', 'second']);
  t.is(calls.length, 2);
});

test('a connection whose reply does not come is cut at the limit', async (t) => {
  const { client, calls, until, listener } = await fixture(t);
  const ended = once(client, 'close');
  client.write(get('a'));
  await until(() => calls.length === 1);
  await listener.finish(20);
  await ended;
  t.is(calls.length, 1);
});
