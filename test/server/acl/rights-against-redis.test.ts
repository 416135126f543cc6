/** What clients without rights come to on a real node, beside a real redis-server with the same users: keys that no argument names, what STORE writes, requests before a password; and Torc's own commands. */
import test, { type ExecutionContext } from 'ava';
import { redisServer, requireRedisTools, type ServerGroup, startNode } from '../../harness/processes.js';
import { RawClient } from '../raw-client.js';

async function asking(t: ExecutionContext, { port }: ServerGroup, ...first: readonly (readonly string[])[]): Promise<RawClient> {
  const client = await RawClient.connect(port);
  t.teardown(() => client.end());
  await client.ask(...first);
  return client;
}

/** Redis 7.0 words a denied key otherwise than 7.2. */
const asNewer = (text: string): string =>
  text.replace('this user has no permissions to access one of the keys used as arguments', 'No permissions to access a key');

const words = (lines: string): string[][] =>
  lines
    .split(';')
    .map((line) => line.trim().split(' '))
    .filter(([first]) => first !== '');

test('SORT: BY and GET need a right to all keys, and STORE one to write', async (t) => {
  if (!requireRedisTools(t)) return;
  const [torc, redis] = [await startNode(), await redisServer()];
  t.teardown(() => Promise.all([torc.stop(), redis.stop()]));
  const setUp = words('RPUSH {t}list 3 1 2; SET {t}w_1 30; SET {t}w_2 20; SET {t}w_3 10; SET {t}secret_1 x; RPUSH other 1');
  const sorts =
    words(`SORT {t}list; SORT {t}list BY nosort; SORT {t}list DESC ALPHA; SORT {t}list BY {t}w_*; SORT {t}list GET {t}secret_*; SORT {t}list BY nosort GET {t}secret_*;
    SORT_RO {t}list GET {t}secret_*; SORT_RO {t}list BY {t}w_*; SORT {t}list BY {t}w_* GET #; SORT other; SORT {t}list STORE {t}to; SORT {t}list STORE other; SORT {t}list BY {t}w_* STORE {t}to; SORT_RO {t}list`);
  // Redis lets patterns through where it is no cluster, as Torc does within a slot; GET # alone it refuses too.
  for (const rules of [
    '+sort +sort_ro %R~{t}*',
    '+sort +sort_ro ~{t}list',
    '+sort +sort_ro ~{t}list %W~{t}to',
    '+sort +sort_ro %R~*',
    '+sort +sort_ro %W~*',
    '+sort_ro ~*',
    '+sort +sort_ro ~*',
    '+sort +sort_ro %R~{t}list (+sort %R~*)',
    '+sort %R~{t}list (+sort_ro %R~* %W~{t}to)',
    '+@all %R~{t}list %W~{t}to',
  ]) {
    const seen: string[][] = [];
    for (const group of [torc, redis]) {
      const selectors = /\(.*\)/.exec(rules)?.[0];
      const plain = rules
        .replace(/\(.*\)/, '')
        .trim()
        .split(' ');
      const admin = await asking(t, group, [
        'ACL',
        'SETUSER',
        'u',
        'reset',
        'on',
        'nopass',
        ...plain,
        ...(selectors === undefined ? [] : [selectors]),
      ]);
      await admin.ask(['FLUSHALL']);
      await admin.ask(...setUp);
      const client = await asking(t, group, ['AUTH', 'u', 'any']);
      seen.push((await client.ask(...sorts)).map((reply, i) => `${rules}: ${sorts[i]?.join(' ')}: ${asNewer(reply)}`));
    }
    // Redis 7.2 names the command that is denied.
    const [here = [], there = []] = seen.map((replies) =>
      replies.map((reply) => reply.replace(/NOPERM .*'(sort\w*)' command$/, 'NOPERM $1')),
    );
    t.deepEqual(here, there);
  }
});

test('before its password a client may send small requests only, and is known from its AUTH on', async (t) => {
  if (!requireRedisTools(t)) return;
  const [torc, redis] = [await startNode({ requirepass: 'sesame' }), await redisServer({ directives: { requirepass: 'sesame' } })];
  t.teardown(() => Promise.all([torc.stop(), redis.stop()]));
  const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
  const request = (...args: readonly string[]): string => `*${args.length}\r\n${args.map(bulk).join('')}`;
  const auth = request('AUTH', 'sesame');
  const large = 'v'.repeat(20_000);
  // No byte of what is refused: unread ones would have the reply thrown away when the connection is closed.
  const tooLarge = `*2\r\n${bulk('ECHO')}$20000\r\n`;
  for (const [what, bytes, replies] of [
    ['a long argument', tooLarge, ['-ERR Protocol error: unauthenticated bulk length']],
    ['many arguments', '*11\r\n', ['-ERR Protocol error: unauthenticated multibulk length']],
    ['a great many', '*1000\r\n', ['-ERR Protocol error: unauthenticated multibulk length']],
    ['as much as may be', request('ECHO', 'v'.repeat(16_384)), ['-NOAUTH Authentication required.']],
    ['ten arguments', request(...'MGET a b c d e f g h i'.split(' ')), ['-NOAUTH Authentication required.']],
    [
      'both after AUTH, in one piece',
      auth + request('ECHO', large) + request('MGET', ...'a b c d e f g h i j k l m n o p'.split(' ')),
      ['+OK', `$${large}`, `*[${Array(16).fill('nil').join(', ')}]`],
    ],
    [
      'after a wrong one',
      request('AUTH', 'open') + tooLarge,
      ['-WRONGPASS invalid username-password pair or user is disabled.', '-ERR Protocol error: unauthenticated bulk length'],
    ],
  ] as const) {
    for (const group of [torc, redis]) {
      for (const cut of [bytes.length, 1000]) {
        const client = await asking(t, group);
        for (let at = 0; at < bytes.length; at += cut) client.write(bytes.slice(at, at + cut));
        const said: string[] = [];
        while (said.length < replies.length) said.push(await client.reply());
        t.deepEqual(said, [...replies], `${group === torc ? 'torc' : 'redis'}, ${what}, ${cut} bytes at a time`);
      }
    }
  }
  for (const group of [torc, redis]) {
    const client = await asking(t, group, ['AUTH', 'sesame'], ['RESET']);
    client.write(tooLarge);
    t.is(await client.reply(), '-ERR Protocol error: unauthenticated bulk length');
    // In one piece with the RESET that makes it too large, as any cut of it.
    for (const bytes of [request('RESET') + tooLarge, `${request('RESET')}*11\r\n`]) {
      for (const cut of [bytes.length, 1, request('RESET').length + 3]) {
        const known = await asking(t, group, ['AUTH', 'sesame']);
        for (let at = 0; at < bytes.length; at += cut) known.write(bytes.slice(at, at + cut));
        t.is(await known.reply(), '+RESET');
        t.regex(
          await known.reply(),
          /^-ERR Protocol error: unauthenticated (multi)?bulk length$/,
          `${group === torc ? 'torc' : 'redis'} ${cut}`,
        );
      }
    }
  }
});

test("Torc's own commands that show what others wrote, or put all nodes to work, are for those who administer", async (t) => {
  const torc = await startNode();
  t.teardown(() => torc.stop());
  const admin = await asking(t, torc);
  for (const rule of ['-@admin', '-@dangerous']) {
    await admin.ask(['ACL', 'SETUSER', 'u', 'reset', 'on', 'nopass', '+@all', rule, '~app:*']);
    const client = await asking(t, torc, ['AUTH', 'u', 'any']);
    for (const sub of ['conflicts', 'repair', 'drain']) {
      t.is((await client.ask(['TORC', sub]))[0], `-NOPERM User u has no permissions to run the 'torc|${sub}' command`);
    }
    t.is((await client.ask(['TORC', 'VERSION', 'other']))[0], '-NOPERM No permissions to access a key');
    t.is((await client.ask(['TORC', 'PREFLIST', 'other']))[0], '-NOPERM No permissions to access a key');
    t.regex((await client.ask(['TORC', 'PREFLIST', 'app:1']))[0] ?? '', /^[%*]/);
  }
});
