/** One set of users for a cluster of real nodes: what is said of a user at one node is in force at all, through restarts, and at a node that was away; and where users come from. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type ServerGroup, startCluster, startNode } from '../../harness/processes.js';
import { until } from '../../harness/until.js';
import { RawClient } from '../raw-client.js';

type Talker = RawClient & { say(line: string): Promise<string> };

async function client(t: ExecutionContext, port: number): Promise<Talker> {
  const raw = await RawClient.connect(port);
  t.teardown(() => raw.end());
  return Object.assign(raw, { say: async (line: string) => (await raw.ask(line.split(' ')))[0] as string });
}

async function as(t: ExecutionContext, port: number, user: string, password: string): Promise<Talker> {
  const talker = await client(t, port);
  t.is(await talker.say(`AUTH ${user} ${password}`), '+OK');
  return talker;
}

async function cluster(t: ExecutionContext, directives: Readonly<Record<string, string>> = {}): Promise<ServerGroup> {
  const group = await startCluster({ directives });
  t.teardown(() => group.stop());
  return group;
}

const portOf = (group: ServerGroup, i: number): number => group.ports[i] as number;

test('what is said of a user at one node is in force at every node when it is answered', async (t) => {
  const group = await cluster(t);
  const admin = await client(t, portOf(group, 0));
  t.is(
    await admin.say('ACL SETUSER alice on >secret ~app:* %R~shared:* +@read +@write +@keyspace -@dangerous -del +ping +acl|whoami'),
    '+OK',
  );
  const texts = new Set<string>();
  for (const port of group.ports) {
    const alice = await as(t, port, 'alice', 'secret');
    t.is(await alice.say('ACL WHOAMI'), '$alice');
    // Keys of many partitions: most are another node's to coordinate.
    for (let i = 0; i < 20; i++) {
      t.is(await alice.say(`SET app:${i} v`), '+OK');
      t.is(await alice.say(`SET other:${i} v`), '-NOPERM No permissions to access a key');
      t.is(await alice.say(`SET shared:${i} v`), '-NOPERM No permissions to access a key');
      t.is(await alice.say(`GET shared:${i}`), 'nil');
      t.is(await alice.say(`MGET app:${i} shared:1 other:${i}`), '-NOPERM No permissions to access a key');
      t.is(await alice.say(`DEL app:${i}`), "-NOPERM User alice has no permissions to run the 'del' command");
    }
    for (const line of [
      'FLUSHALL',
      'KEYS *',
      'CONFIG GET *',
      'TORC STATUS',
      'CLUSTER NODES',
      'ACL LIST',
      'SHUTDOWN',
      'MONITOR',
      'CLIENT LIST',
      'DEBUG SLEEP 0',
    ])
      t.regex(await alice.say(line), /^-NOPERM User alice has no permissions to run the '/, line);
    texts.add(await (await client(t, port)).say('ACL LIST'));
    const wrong = await client(t, port);
    t.is(await wrong.say('AUTH alice wrong'), '-WRONGPASS invalid username-password pair or user is disabled.');
    t.true((await wrong.say('HELLO 3 AUTH alice wrong')).startsWith('-WRONGPASS'));
    t.true((await wrong.say('HELLO 3 AUTH alice secret')).startsWith('%['));
    t.is(await wrong.say('GET other:1'), '-NOPERM No permissions to access a key');
  }
  t.is(texts.size, 1);

  // A right that is taken away is gone for clients that are there, everywhere.
  const there = await as(t, portOf(group, 2), 'alice', 'secret');
  t.is(await there.say('GET app:1'), '$v');
  t.is(await (await client(t, portOf(group, 1))).say('ACL SETUSER alice resetkeys ~none:*'), '+OK');
  t.is(await there.say('GET app:1'), '-NOPERM No permissions to access a key');
  // One that is given, too; and one with all rights is not looked at twice.
  t.is(await admin.say('ACL SETUSER alice +@all ~* &*'), '+OK');
  t.is(await there.say('DEL app:1'), ':1');
  t.is(await admin.say('ACL SETUSER alice -del'), '+OK');
  t.is(await there.say('DEL app:2'), "-NOPERM User alice has no permissions to run the 'del' command");
  // Who is deleted is cut off, after the reply to whoever did it to itself.
  t.is(await admin.say('ACL SETUSER root on >r ~* &* +@all'), '+OK');
  const self = await as(t, portOf(group, 1), 'root', 'r');
  t.is(await self.say('ACL DELUSER root alice'), ':2');
  await Promise.all([self.closed, there.closed]);
  for (const port of group.ports) t.true((await (await client(t, port)).say('AUTH alice secret')).startsWith('-WRONGPASS'));
});

test('users outlive restarts, and a node that was away learns of changes before it serves anyone', async (t) => {
  const group = await cluster(t);
  const admin = await client(t, portOf(group, 0));
  t.is(await admin.say('ACL SETUSER kept on >k ~* +get'), '+OK');
  t.is(await admin.say('ACL SETUSER revoked on >r ~* +@all'), '+OK');
  await group.kill9(2);
  t.is(await admin.say('ACL DELUSER revoked'), ':1');
  t.is(await admin.say('ACL SETUSER fresh on >f ~* +get'), '+OK');
  t.is(await admin.say('ACL SETUSER default resetpass >d'), '+OK');
  await group.restart(2);
  const late = await client(t, portOf(group, 2));
  t.is(await late.say('GET k'), '-NOAUTH Authentication required.');
  t.true((await late.say('AUTH revoked r')).startsWith('-WRONGPASS'));
  t.is(await late.say('AUTH fresh f'), '+OK');
  t.is(await late.say('GET k'), 'nil');
  for (const i of [0, 1, 2]) await group.kill9(i);
  await Promise.all([0, 1, 2].map((i) => group.restart(i)));
  for (const port of group.ports) {
    const back = await client(t, port);
    t.is(await back.say('GET k'), '-NOAUTH Authentication required.');
    t.is(await back.say('AUTH kept k'), '+OK');
    await until(async () => (await back.say('GET k')) === 'nil', 'what was written is answered');
    t.is(await back.say('AUTH d'), '+OK');
    t.is(await back.say('ACL USERS'), '*[$default, $fresh, $kept]');
  }
  // Not even one whose disk is gone lets anybody in whom the others would not.
  await group.kill9(1);
  await rm(join(group.dir, 'node2'), { recursive: true });
  await group.restart(1);
  const emptied = await client(t, portOf(group, 1));
  t.is(await emptied.say('PING'), '-NOAUTH Authentication required.');
  t.is(await emptied.say('AUTH kept k'), '+OK');
});

test('CONFIG SET requirepass is the password of user default, for the whole cluster', async (t) => {
  const group = await cluster(t);
  const admin = await client(t, portOf(group, 0));
  t.is(await admin.say('CONFIG SET requirepass sesame'), '+OK');
  await until(
    async () => (await (await client(t, portOf(group, 1))).say('PING')) === '-NOAUTH Authentication required.',
    'the password counts elsewhere',
  );
  const other = await client(t, portOf(group, 2));
  await until(async () => (await other.say('AUTH sesame')) === '+OK', 'the new password counts elsewhere');
  t.is(await other.say('CONFIG SET requirepass '), '+OK');
  await until(async () => (await (await client(t, portOf(group, 1))).say('PING')) === '+PONG', 'no password is asked for elsewhere');
});

test('files: user lines, an ACL file that is loaded and saved, and what contradicts itself', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'torc-acl-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const file = join(directory, 'users.acl');
  await writeFile(file, 'user default on nopass ~* &* +@all\n\n# a comment\nuser bob on >b ~b:* +@all\n');
  const node = await startNode({ aclfile: file });
  t.teardown(() => node.stop());
  const bob = await as(t, node.port, 'bob', 'b');
  t.is(await bob.say('SET b:1 v'), '+OK');
  t.is(await bob.say('SET c:1 v'), '-NOPERM No permissions to access a key');
  const admin = await client(t, node.port);
  t.is(await admin.say('ACL SETUSER carol on nopass +ping'), '+OK');
  t.is(await admin.say('ACL SAVE'), '+OK');
  const saved = await readFile(file, 'utf8');
  t.true(saved.includes('user carol on nopass resetchannels -@all +ping\n'), saved);
  t.false(/>b|\bb\b ~/.test(saved.replaceAll(/#[0-9a-f]{64}/g, '')), 'digests, not passwords');
  await writeFile(file, `${saved.replace(/^user carol.*\n/m, '')}user dave on nopass ~* +@all\n`);
  t.is(await admin.say('ACL LOAD'), '+OK');
  t.is(await admin.say('ACL USERS'), '*[$bob, $dave, $default]');
  await writeFile(file, 'user dave on +nosuch\nuser eve off\n');
  t.regex(
    await admin.say('ACL LOAD'),
    /^-ERR .*users\.acl:1: Error in user declaration 'dave' at '\+nosuch': Unknown command or category name in ACL/,
  );
  await writeFile(file, 'dave on\n');
  t.regex(await admin.say('ACL LOAD'), /^-ERR .*users\.acl:1: line should start with user keyword/);
  t.is(await admin.say('ACL USERS'), '*[$bob, $dave, $default]');

  const lined = await startNode({ user: 'erin on >e ~* +get' });
  t.teardown(() => lined.stop());
  const erin = await as(t, lined.port, 'erin', 'e');
  t.is(await erin.say('GET k'), 'nil');
  t.is(await erin.say('SET k v'), "-NOPERM User erin has no permissions to run the 'set' command");
  t.is(await (await client(t, lined.port)).say('CONFIG GET user'), '*[]');
  const refused = await t.throwsAsync(startNode({ user: 'erin on >terribly-secret +nosuch' }));
  t.true(refused.message.includes("Error in user declaration 'erin'"), refused.message);
  t.false(refused.message.includes('terribly-secret'), refused.message);
  const both = await t.throwsAsync(startNode({ user: 'erin on', aclfile: file }));
  t.true(both.message.includes('is given beside user lines'), both.message);
});

test('what was refused is in ACL LOG, INFO and the error counts, and no password anywhere', async (t) => {
  const node = await startNode({ 'slowlog-log-slower-than': '0' });
  t.teardown(() => node.stop());
  const admin = await client(t, node.port);
  t.is(await admin.say('ACL SETUSER alice on >wonder-land ~a +get'), '+OK');
  const alice = await as(t, node.port, 'alice', 'wonder-land');
  for (const line of ['SET a 1', 'SET a 1', 'GET b', 'AUTH alice white-rabbit']) t.true((await alice.say(line)).startsWith('-'), line);
  const log = await admin.say('ACL LOG');
  t.regex(log, /^\*\[\*\[\$count, :1, \$reason, \$auth, \$context, \$toplevel, \$object, \$AUTH, \$username, \$alice, /);
  t.regex(log, /\$count, :1, \$reason, \$key, \$context, \$toplevel, \$object, \$b, \$username, \$alice, /);
  t.regex(log, /\$count, :2, \$reason, \$command, \$context, \$toplevel, \$object, \$set, \$username, \$alice, .*user=alice/);
  const info = await admin.say('INFO everything');
  t.regex(info, /acl_access_denied_auth:1\r\nacl_access_denied_cmd:2\r\nacl_access_denied_key:1\r\n/);
  t.regex(info, /errorstat_NOPERM:count=3/);
  t.is(await admin.say('ACL LOG RESET'), '+OK');
  t.is(await admin.say('ACL LOG'), '*[]');
  t.is(await admin.say('CONFIG SET requirepass open-sesame'), '+OK');
  const everything = [
    await admin.say('SLOWLOG GET 100'),
    info,
    log,
    await admin.say('CLIENT LIST'),
    await admin.say('ACL LIST'),
    node.server(0).output,
  ].join('\n');
  for (const secret of ['wonder-land', 'white-rabbit', 'open-sesame']) t.false(everything.includes(secret), secret);
});
