/** CLIENT, CONFIG, SLOWLOG, LATENCY, MEMORY, DEBUG, WAIT and the like: what does not hang on the node is answered as redis-server answers it. */
import test from 'ava';
import { CommandLookup } from '../../../server/command-lookup.js';
import { allRows } from '../../../server/commands/all.js';
import { redisCommands } from '../../../server/commands/redis-commands.js';
import { unsupported } from '../../../server/commands/unsupported.js';
import { ErrorReply, StatusReply } from '../../../protocol/resp/reply.js';
import type { Reply } from '../../../protocol/resp/reply.js';
import { localContext } from './local-node.js';
import { RedisOracle, linesOf, shown } from './redis-oracle.js';

const split = (line: string): Buffer[] => line.split(' ').map((word) => Buffer.from(word === "''" ? '' : word));

test('replies and error texts are those of redis-server', async (t) => {
  const redis = await RedisOracle.start('--enable-debug-command', 'yes');
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const lines = linesOf(`
    AUTH; AUTH a b c; AUTH x; AUTH default x; AUTH nobody x; HELLO 2 AUTH nobody x; HELLO 2 AUTH default; RESET x
    CLIENT KILL; CLIENT KILL 1.2.3.4:5; CLIENT KILL ID; CLIENT KILL ID 0; CLIENT KILL ID x; CLIENT KILL ID -1; CLIENT KILL ID 99999; CLIENT KILL ADDR 1.2.3.4:5 LADDR x
    CLIENT KILL TYPE nope; CLIENT KILL TYPE master; CLIENT KILL TYPE pubsub SKIPME no; CLIENT KILL USER nobody SKIPME no; CLIENT KILL SKIPME maybe; CLIENT KILL ID 5 ADDR; CLIENT KILL nope 1
    CLIENT KILL TYPE normal ADDR 1.2.3.4:5; CLIENT KILL TYPE replica; CLIENT KILL TYPE slave; CLIENT KILL USER default ID 88888
    CLIENT PAUSE; CLIENT PAUSE x; CLIENT PAUSE -1; CLIENT PAUSE 0 nope; CLIENT PAUSE x nope; CLIENT PAUSE 1 WRITE x; CLIENT UNPAUSE; CLIENT UNPAUSE x
    CLIENT REPLY; CLIENT REPLY maybe; CLIENT REPLY on; CLIENT UNBLOCK; CLIENT UNBLOCK x; CLIENT UNBLOCK 99999; CLIENT UNBLOCK 99999 TIMEOUT; CLIENT UNBLOCK 99999 nope; CLIENT UNBLOCK x nope; CLIENT UNBLOCK 1 ERROR x
    CLIENT GETREDIR; CLIENT GETREDIR x; CLIENT TRACKINGINFO; CLIENT CACHING yes; CLIENT CACHING maybe; CLIENT CACHING; CLIENT TRACKING off; CLIENT TRACKING maybe; CLIENT TRACKING; CLIENT NO-EVICT off
    CONFIG REWRITE; CONFIG REWRITE x; CONFIG GET nosuch*; CONFIG RESETSTAT
    SLOWLOG; SLOWLOG nope; SLOWLOG GET x; SLOWLOG GET -2; SLOWLOG GET 1 2; SLOWLOG RESET; SLOWLOG LEN; SLOWLOG GET; SLOWLOG GET 0; SLOWLOG GET -1; SLOWLOG RESET x; SLOWLOG HELP
    LATENCY; LATENCY nope; LATENCY LATEST; LATENCY HISTORY x; LATENCY HISTORY; LATENCY GRAPH x; LATENCY RESET; LATENCY RESET a b; LATENCY DOCTOR; LATENCY HISTOGRAM nosuch; LATENCY HELP
    MEMORY; MEMORY nope; MEMORY USAGE; MEMORY PURGE; MEMORY PURGE x; MEMORY HELP
    DEBUG; DEBUG nope; DEBUG nope x; DEBUG SLEEP; DEBUG SLEEP 0; DEBUG SLEEP x; DEBUG OBJECT; DEBUG ERROR CODE; DEBUG SLEEP 1 2
    ROLE; ROLE x; SHUTDOWN ABORT; SHUTDOWN x; SHUTDOWN SAVE NOSAVE; SHUTDOWN ABORT NOW; MONITOR x; LOLWUT VERSION x
    WAIT; WAIT x 1; WAIT 1 x; WAIT 1 -1; WAIT 0 1 2; WAIT -1 1
    INFO latencystats nosuch; TIME x
  `);
  const theirs = await redis.ask(lines.map(split));
  const { run } = localContext();
  const differs: Readonly<Record<string, (ours: string) => boolean>> = {
    'WAIT -1 1': (ours) => ours === ':1', // there are replicas here, and one of them holds it
    'INFO latencystats nosuch': (ours) => ours.startsWith('$# Latencystats\r\n'),
  };
  for (const [i, line] of lines.entries()) {
    const ours = shown(await run(split(line)));
    const expected = shown(theirs[i] as Reply);
    const isRight = differs[line];
    if (isRight) t.true(isRight(ours), `${line}: ${ours}`);
    else t.is(ours, expected, line);
  }
});

test("what repeats a client's words repeats its bytes, up to the first zero, as redis-server does", async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const { run } = localContext();
  const about = [['HELLO', '3'], ['CLIENT', 'KILL', 'USER'], ['CLIENT', 'KILL', 'TYPE'], ['LATENCY', 'GRAPH'], ['CLIENT'], ['nonsense']]; // prettier-ignore
  for (const words of about)
    for (const bytes of [Buffer.from([0x61, 0xff, 0x0d, 0x80, 0x00, 0x62]), Buffer.from([0]), Buffer.from('m\u00e9')]) {
      const args = [...words.map((word) => Buffer.from(word)), bytes];
      t.is(shown(await run(args)), shown((await redis.ask([args]))[0] as Reply), `${args.join(' ')}`);
    }
});

test('MEMORY STATS, INFO and CLIENT LIST have the fields that redis-server has', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const { run } = localContext();
  const both = async (line: string): Promise<readonly [ours: string, theirs: string]> => [
    shown(await run(split(line))),
    shown((await redis.ask([split(line)]))[0] as Reply),
  ];
  const fields = (text: string, separator: RegExp, end: string): string[] =>
    text.split(separator).flatMap((part) => (part.includes(end) ? [part.slice(0, part.indexOf(end))] : []));

  const [list, theirList] = await both('CLIENT LIST');
  const added = ['lib-name', 'lib-ver', 'ssub'];
  t.deepEqual(
    fields(list.slice(1), / /, '=').filter((name) => !added.includes(name)),
    fields(theirList.slice(1).replace('\n', ''), / /, '=').filter((name) => !added.includes(name)),
  );

  // What only Redis has inside, and what would be a lie here.
  const notOurs =
    /^(redis_build_id|atomicvar_api|gcc_version|process_supervised|hz|configured_hz|lru_clock|config_file|allocator_.*|rss_overhead.*|used_memory_(vm|functions|scripts_eval|lua).*|number_of_.*|mem_(not|repl|total|clients|cluster|aof).*|lazyfreed.*|current_.*|rdb_(last_bgsave_time|current|saves|last_cow|last_load).*|aof_(last_rewrite_time|current|rewrites|last_cow).*|module_.*|total_net_repl.*|instantaneous_(input|output)_repl.*|expired_.*|expire_.*|total_eviction.*|keyspace_.*|pubsubshard.*|migrate.*|slave_.*|active_defrag_.*|total_active.*|tracking_total_(items|prefixes)|unexpected.*|dump_payload.*|total_(reads|writes)_.*|io_threaded.*|reply_buffer.*|used_cpu_.*_main_thread)$/;
  for (const section of ['server', 'clients', 'memory', 'persistence', 'stats', 'replication', 'cpu', 'cluster']) {
    const [ours, theirs] = await both(`INFO ${section}`);
    const here = new Set(fields(ours, /\r\n/, ':'));
    const missing = fields(theirs, /\r\n/, ':').filter((name) => !here.has(name) && !notOurs.test(name));
    t.deepEqual(missing, [], section);
  }

  const [stats, theirStats] = await both('MEMORY STATS');
  const names = (text: string): string[] => [...text.matchAll(/\$([a-z-]+\.[a-z-]+)/g)].map((match) => match[1] as string);
  t.deepEqual(
    names(theirStats).filter((name) => !names(stats).includes(name) && !/^(allocator|rss-overhead)/.test(name)),
    [],
  );
});

test('every command of redis-server is in the table or refused by name', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const [docs] = (await redis.ask([['COMMAND', 'DOCS']])) as [Reply[]];
  const theirs = new Set<string>();
  for (let i = 0; i < docs.length; i += 2) {
    theirs.add(shown(docs[i] as Reply).slice(1));
    const entries = docs[i + 1] as Reply[];
    const at = entries.findIndex((entry) => shown(entry) === '$subcommands');
    if (at >= 0) for (const sub of (entries[at + 1] as Reply[]).filter((_, k) => k % 2 === 0)) theirs.add(shown(sub).slice(1));
  }
  const listed = new Set(redisCommands.map(({ name }) => name));
  t.deepEqual(
    [...theirs].filter((name) => !listed.has(name) && !name.endsWith('|help')),
    [],
  );
  t.deepEqual(
    [...listed].filter((name) => !theirs.has(name)).toSorted(),
    [
      'client|no-touch',
      'client|setinfo',
      'cluster|myshardid',
      'hexpire',
      'hexpireat',
      'hexpiretime',
      'hgetdel',
      'hgetex',
      'hpersist',
      'hpexpire',
      'hpexpireat',
      'hpexpiretime',
      'hpttl',
      'hsetex',
      'httl',
      'waitaof',
    ],
    'only what 7.2, 7.4 and 8.0 added is unknown to 7.0',
  );
  const lookup = new CommandLookup(allRows);
  for (const name of listed) {
    const found = lookup.resolve([...name.split('|'), ...Array.from({ length: 20 }, () => 'x')].map((word) => Buffer.from(word)));
    const isContainer = [...listed].some((each) => each.startsWith(`${name}|`));
    if (found instanceof ErrorReply && !isContainer) t.false(/unknown (sub)?command/.test(found.text), `${name}: ${found.text}`);
  }
  const refusal = (line: string): string => {
    const found = lookup.resolve(split(line));
    return found instanceof ErrorReply ? found.text : 'none';
  };
  t.is(refusal('Swapdb 1 2'), 'ERR SWAPDB is not supported: Torc has one database, number 0; use a prefix in the key');
  t.is(refusal('cluster MEET a 1'), 'ERR CLUSTER MEET is not supported: nodes find each other by the directive seeds');
  t.is(refusal('MODULE list'), 'ERR MODULE is not supported: Torc loads no modules');
  t.is(unsupported('xautoclaim')?.text, "ERR unsupported command 'xautoclaim': Torc does not have it yet");
  t.is(unsupported('ft.search'), undefined);
});

test('COMMAND GETKEYSANDFLAGS, MEMORY USAGE and DEBUG OBJECT in all their forms', async (t) => {
  const { run } = localContext();
  const ask = async (line: string): Promise<string> => shown(await run(split(line)));
  t.is(await ask('COMMAND GETKEYSANDFLAGS ping a'), '-ERR The command has no key arguments');
  t.is(await ask('COMMAND GETKEYSANDFLAGS get'), '-ERR Invalid number of arguments specified for command');
  t.true((await ask('DEBUG HELP')).startsWith('[+DEBUG <subcommand>'));
  t.is(await ask('DEBUG OBJECT nokey'), '-ERR no such key');
  const usage = allRows.flatMap((row) => (row.scope === 'local' ? [row.subcommands?.get('usage')] : [])).find((row) => row !== undefined);
  if (usage?.scope !== 'keys') throw new Error('MEMORY USAGE is about a key');
  for (const [line, error] of [
    ['MEMORY USAGE k SAMPLES', 'ERR syntax error'],
    ['MEMORY USAGE k nope 1', 'ERR syntax error'],
    ['MEMORY USAGE k SAMPLES -1', 'ERR syntax error'],
    ['MEMORY USAGE k SAMPLES x', 'ERR value is not an integer or out of range'],
  ] as const) {
    const refused = usage.parse(split(line));
    t.is(refused instanceof ErrorReply ? refused.text : 'none', error, line);
  }
  const lolwut = await ask('LOLWUT');
  t.true(lolwut.includes('A node-1   B node-2   C node-3') && lolwut.includes('Redis ver. 7.2.4'), lolwut);
  t.true((await run(split('MONITOR'))) instanceof StatusReply);
});
