/** AUTH, CLIENT, CONFIG REWRITE, MONITOR, SLOWLOG, LATENCY, INFO, WAIT, DEBUG SLEEP and SHUTDOWN on real nodes, over real sockets. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type ServerGroup, startCluster, startNode } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { ServerProcess } from '../harness/server-process.js';
import { RawClient } from './raw-client.js';

let servers: ServerGroup;
test.before(async () => {
  servers = await startNode({ 'enable-debug-command': 'local' });
});
test.after.always(async () => servers?.stop());

const words = (line: string): string[] => line.split(' ');

async function client(t: ExecutionContext, port = servers.port): Promise<RawClient & { say(line: string): Promise<string> }> {
  const raw = await RawClient.connect(port);
  t.teardown(() => raw.end());
  return Object.assign(raw, { say: async (line: string) => (await raw.ask(words(line)))[0] as string });
}

const idOf = (line: string): string => /id=(\d+)/.exec(line)?.[1] ?? '';

test.serial('requirepass: nothing before AUTH but AUTH, HELLO, QUIT and RESET; clients that are in stay in', async (t) => {
  const inside = await client(t);
  t.is(await inside.say('CONFIG SET requirepass sesame'), '+OK');
  const outside = await client(t);
  for (const line of ['PING', 'GET k', 'CLIENT ID', 'CONFIG GET requirepass', 'MGET a b c d', 'SCAN 0'])
    t.is(await outside.say(line), '-NOAUTH Authentication required.', line);
  t.is(await outside.say('GET'), "-ERR wrong number of arguments for 'get' command");
  t.true((await outside.say('HELLO 3')).startsWith('-NOAUTH HELLO must be called with the client already authenticated'));
  t.is(await outside.say('AUTH wrong'), '-WRONGPASS invalid username-password pair or user is disabled.');
  t.is(await outside.say('AUTH sesame'), '+OK');
  t.is(await outside.say('PING'), '+PONG');
  t.is(await outside.say('RESET'), '+RESET');
  t.is(await outside.say('PING'), '-NOAUTH Authentication required.');
  t.true((await outside.say('HELLO 2 AUTH default sesame SETNAME me')).startsWith('*[$server'));
  t.is(await outside.say('CLIENT GETNAME'), '$me');
  t.is(await inside.say('PING'), '+PONG');
  const pipelined = await client(t);
  t.deepEqual(await pipelined.ask(['SET', 'k', 'v'], ['AUTH', 'sesame'], ['SET', 'k', 'v']), [
    '-NOAUTH Authentication required.',
    '+OK',
    '+OK',
  ]);
  t.is(await inside.say('CONFIG SET requirepass '), '+OK');
  t.is(await (await client(t)).say('PING'), '+PONG');
});

test.serial('CLIENT KILL by id, address, type and user; the asker last', async (t) => {
  const killer = await client(t);
  const [a, b, c] = [await client(t), await client(t), await client(t)];
  t.is(await killer.say(`CLIENT KILL ID ${idOf(await a.say('CLIENT INFO'))}`), ':1');
  await a.closed;
  const address = /addr=(\S+)/.exec(await b.say('CLIENT INFO'))?.[1] ?? '';
  t.is(await killer.say(`CLIENT KILL ${address}`), '+OK');
  await b.closed;
  t.is(await killer.say(`CLIENT KILL ${address}`), '-ERR No such client');
  t.is(await killer.say('CLIENT KILL TYPE normal USER default'), ':1');
  await c.closed;
  t.is(await killer.say('CLIENT KILL TYPE normal SKIPME no'), ':1');
  await killer.closed;
});

test.serial(
  'CLIENT PAUSE WRITE holds writes and what its connection sends after them, ALL holds everything; UNPAUSE lets them go in order',
  async (t) => {
    const [admin, writer, reader] = [await client(t), await client(t), await client(t)];
    t.is(await admin.say('SET paused 0'), '+OK');
    t.is(await admin.say('CLIENT PAUSE 100000 WRITE'), '+OK');
    const held = writer.ask(['GET', 'paused'], ['INCR', 'paused'], ['GET', 'paused'], ['INCR', 'paused']);
    t.is(await reader.say('GET paused'), '$0');
    t.is(await reader.say('GET paused'), '$0');
    t.is(await admin.say('CLIENT UNPAUSE'), '+OK');
    t.deepEqual(await held, ['$0', ':1', '$1', ':2']);
    t.is(await admin.say('CLIENT PAUSE 50 ALL'), '+OK');
    const asked = performance.now();
    t.is(await reader.say('PING'), '+PONG');
    t.true(performance.now() - asked > 20, 'it ended by itself, and not before');
  },
);

test.serial('CLIENT REPLY OFF, SKIP and ON', async (t) => {
  const quiet = await client(t);
  quiet.write('CLIENT REPLY OFF\r\nPING\r\nSET quiet 1\r\nGET\r\nCLIENT REPLY ON\r\n');
  t.is(await quiet.reply(), '+OK');
  quiet.write(
    'CLIENT REPLY SKIP\r\nPING one\r\nPING two\r\nCLIENT REPLY SKIP\r\nNOSUCH\r\nMGET quiet other\r\nCLIENT REPLY SKIP\r\nGET quiet\r\nGET quiet\r\n',
  );
  t.deepEqual([await quiet.reply(), await quiet.reply(), await quiet.reply()], ['$two', '*[$1, nil]', '$1']);
});

test.serial('MONITOR shows what others send, passwords left out, until RESET', async (t) => {
  const [monitor, other] = [await client(t), await client(t)];
  t.is(await monitor.say('MONITOR'), '+OK');
  t.regex(await other.say('CLIENT LIST'), / flags=O /);
  await other.ask(['SET', 'k', 'a"b\\\r\n\u0001\u00e9'], ['AUTH', 'default', 'secret'], ['CONFIG', 'GET', 'save'], ['GET']);
  const address = /addr=(\S+)/.exec(await other.say('CLIENT INFO'))?.[1];
  const lines = [await monitor.reply(), await monitor.reply(), await monitor.reply()];
  t.regex(lines[0] as string, /^\+\d{10}\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "k" "a\\"b\\\\\\r\\n\\x01\\xc3\\xa9"$/);
  t.true(lines[0]?.includes(`[0 ${address}]`));
  t.true(lines[1]?.endsWith('"AUTH" "(redacted)" "(redacted)"'), lines[1]);
  t.true(lines[2]?.endsWith('"CLIENT" "INFO"'), lines[2]);
  t.true((await monitor.say('RESET')).endsWith('] "RESET"'), 'its own commands too');
  t.is(await monitor.reply(), '+RESET');
  await other.say('PING');
  t.is(await monitor.say('PING'), '+PONG');
});

test.serial('SLOWLOG keeps what took long, cut, with who asked', async (t) => {
  const asker = await client(t);
  await asker.ask(['CLIENT', 'SETNAME', 'slow'], ['SLOWLOG', 'RESET'], words('CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3'));
  await asker.ask(['SET', 'k', 'x'.repeat(200)], ['MGET', ...Array.from({ length: 40 }, (_, i) => `k${i}`)]);
  const [entries] = await asker.ask(['SLOWLOG', 'GET', '2']);
  t.regex(entries as string, /^\*\[\*\[:\d+, :\d{10}, :\d+, \*\[\$MGET, .*\$\.\.\. \(10 more arguments\)\], \$127\.0\.0\.1:\d+, \$slow\]/);
  t.true(entries?.includes(`$${'x'.repeat(128)}... (72 more bytes)]`), entries);
  t.is(await asker.say('SLOWLOG LEN'), ':3');
  await asker.ask(words('CONFIG SET slowlog-log-slower-than 10000'), ['SLOWLOG', 'RESET'], ['DEBUG', 'SLEEP', '0.02']);
  t.regex(await asker.say('SLOWLOG GET'), /^\*\[\*\[:\d+, :\d+, :\d{5,}, \*\[\$DEBUG, \$SLEEP, \$0.02\], /);
});

test.serial('LATENCY: what took longer than the threshold, and histograms of all', async (t) => {
  const asker = await client(t);
  await asker.ask(words('CONFIG SET latency-monitor-threshold 20'), words('CONFIG RESETSTAT'), words('DEBUG SLEEP 0.04'));
  t.regex(await asker.say('LATENCY LATEST'), /^\*\[\*\[\$command, :\d{10}, :\d\d+, :\d+\]\]$/);
  t.regex(await asker.say('LATENCY HISTORY command'), /^\*\[\*\[:\d+, :\d+\]\]$/);
  t.true((await asker.say('LATENCY GRAPH command')).startsWith('$command - high '));
  t.true((await asker.say('LATENCY DOCTOR')).includes('1. command: 1 latency spikes'));
  t.regex(
    await asker.say('LATENCY HISTOGRAM debug'),
    /^\*\[\$debug, \*\[\$calls, :1, \$histogram_usec, \*\[:(32768|65536|131072), :1\]\]\]$/,
  );
  t.is(await asker.say('LATENCY RESET command nosuch'), ':1');
  t.is(await asker.say('LATENCY LATEST'), '*[]');
  await asker.say('CONFIG SET latency-monitor-threshold 0');
});

test.serial('INFO counts calls, refusals and failures by command, and errors by code', async (t) => {
  const asker = await client(t);
  await asker.say('CONFIG RESETSTAT');
  await asker.ask(['SET', 'n', 'x'], ['INCR', 'n'], ['INCR', 'n'], ['INCR'], ['NOSUCH'], ['SWAPDB', 's', 'g', '1-1']);
  const info = await asker.say('INFO commandstats errorstats latencystats stats keyspace');
  t.regex(info, /cmdstat_incr:calls=2,usec=\d+,usec_per_call=[\d.]+,rejected_calls=1,failed_calls=2\r\n/);
  t.regex(info, /cmdstat_set:calls=1,usec=\d+,usec_per_call=[\d.]+,rejected_calls=0,failed_calls=0\r\n/);
  t.regex(info, /errorstat_ERR:count=5\r\n/);
  t.regex(info, /latency_percentiles_usec_incr:p50=\d+\.000,p99=\d+\.000,p99\.9=\d+\.000\r\n/);
  t.regex(info, /db0:keys=\d+,expires=0,avg_ttl=0/);
  await until(async () => {
    await asker.ask(...Array.from({ length: 100 }, () => ['PING']));
    return Number(/instantaneous_ops_per_sec:(\d+)/.exec(await asker.say('INFO stats'))?.[1]) > 100;
  }, 'a hundred commands a second are counted');
  t.pass();
});

test.serial('MEMORY USAGE grows with the value; DEBUG OBJECT and SLEEP: others are served meanwhile', async (t) => {
  const [asker, other] = [await client(t), await client(t)];
  await asker.ask(['SET', 'small', 'x'], ['SET', 'large', 'x'.repeat(10_000)]);
  const [small, large, none] = await asker.ask(
    words('MEMORY USAGE small'),
    words('MEMORY USAGE large SAMPLES 0'),
    words('MEMORY USAGE none'),
  );
  t.is(Number(large?.slice(1)) - Number(small?.slice(1)), 9999);
  t.is(none, 'nil');
  t.regex(await asker.say('DEBUG OBJECT large'), /^\+Value at:\S+ refcount:1 encoding:raw serializedlength:10000 /);
  const order: string[] = [];
  const slept = asker.ask(words('DEBUG SLEEP 0.2'), words('SET after 1'), words('GET after')).then((replies) => order.push(replies.join()));
  order.push(await other.say('GET after'));
  await slept;
  t.deepEqual(order, ['nil', '+OK,+OK,$1']);
});

test.serial('CONFIG REWRITE: the file starts a node that is configured as this one was', async (t) => {
  const own = await startNode();
  t.teardown(() => own.stop());
  const file = join(own.dir, 'torc.conf');
  const { command } = own.server(0);
  await own.server(0).stop();
  await writeFile(file, '# mine\nmaxclients 500\n\ntimeout 0\nmaxclients 600\n');
  const again = { ...command, args: [...command.args.slice(0, 2), file, ...command.args.slice(2)] };
  const first = await ServerProcess.start(again);
  t.teardown(() => first.kill());
  const asker = await client(t, own.port);
  t.is(await asker.say('CONFIG SET maxclients 700 requirepass a"b\\c timeout 90'), '+OK');
  t.is(await asker.say('CONFIG REWRITE'), '+OK');
  const text = await readFile(file, 'utf8');
  t.true(text.startsWith('# mine\nmaxclients 700\n\ntimeout 90\n# Generated by CONFIG REWRITE\n'), text);
  t.is(text.match(/^maxclients/gm)?.length, 1);
  t.is(await asker.say('CONFIG REWRITE'), '+OK');
  t.is(await readFile(file, 'utf8'), text, 'a second time changes nothing');
  await first.stop();
  const second = await ServerProcess.start({ ...command, args: [...command.args.slice(0, 2), file] });
  t.teardown(() => second.kill());
  const returned = await client(t, own.port);
  t.is(await returned.say('AUTH a"b\\c'), '+OK');
  t.is(await returned.say('CONFIG GET maxclients timeout'), '*[$maxclients, $700, $timeout, $90]');
});

test.serial('WAIT counts the home replicas that hold what this connection wrote', async (t) => {
  t.is(await (await client(t)).say('WAIT 0 0'), ':0');
  const cluster = await startCluster();
  t.teardown(() => cluster.stop());
  const [writer, other] = [await client(t, cluster.port), await client(t, cluster.port)];
  t.is(await writer.say('WAIT 2 1000'), ':2', 'it has written nothing');
  const sets = Array.from({ length: 100 }, (_, i) => ['SET', `waited:${i}`, 'v']);
  t.is((await writer.ask(...sets, ['WAIT', '2', '10000'], ['GET', 'waited:1'])).slice(-2).join(), ':2,$v');
  t.is((await writer.ask(['MSET', 'a', '1', 'b', '2', 'c', '3'], ['WAIT', '2', '10000']))[1], ':2');
  cluster.pause(2);
  t.teardown(() => cluster.resume(2));
  await until(async () => (await other.say('SET probe v')) === '+OK', 'writes go on');
  t.is((await writer.ask(['SET', 'alone', 'v'], ['WAIT', '1', '10000']))[1], ':1');
  t.is((await writer.ask(['SET', 'alone', 'v'], ['WAIT', '2', '100']))[1], ':1');
  const id = idOf(await writer.say('CLIENT INFO'));
  for (const [how, expected] of [
    ['TIMEOUT', /^:[01]$/], // as far as it knows by then
    ['ERROR', /^-UNBLOCKED client unblocked via CLIENT UNBLOCK$/],
  ] as const) {
    const waiting = writer.ask(['SET', 'alone', 'v'], ['WAIT', '2', '0'], ['PING']);
    await until(async () => / flags=b /.test(await other.say(`CLIENT LIST ID ${id}`)), 'it is said to be blocked');
    t.is(await other.say(`CLIENT UNBLOCK ${id} ${how}`), ':1');
    const [, ended, after] = await waiting;
    t.regex(ended as string, expected);
    t.is(after, '+PONG');
  }
  t.is(await other.say(`CLIENT UNBLOCK ${id}`), ':0');
  const leaving = await client(t, cluster.port);
  leaving.write('SET alone v\r\nWAIT 2 0\r\nPING\r\n');
  await until(async () => /\nblocked_clients:1\r/.test(await other.say('INFO clients')), 'one client is blocked');
  await leaving.end();
  await until(async () => /\nblocked_clients:0\r/.test(await other.say('INFO clients')), 'no client is blocked');
  const waiting = writer.ask(['WAIT', '2', '0']);
  cluster.resume(2);
  t.deepEqual(await waiting, [':2'], 'it caught up');
});

test.serial('SHUTDOWN ends the node cleanly, without a reply', async (t) => {
  for (const line of ['SHUTDOWN', 'SHUTDOWN SAVE NOW FORCE']) {
    const node = await startNode();
    t.teardown(() => node.stop());
    const asker = await client(t, node.port);
    t.is(await asker.say('SET kept 1'), '+OK');
    asker.write(`${line}\r\n`);
    await asker.closed;
    t.is(await node.server(0).exited, 'exit code 0');
    await node.restart(0);
    t.is(await (await client(t, node.port)).say('GET kept'), '$1');
  }
});
