import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from '../../harness/properties.js';
import { ConfigurationError, parseConfigurationFile, splitWords } from '../../../server/config/configuration-file.js';
import {
  directiveKeyOf,
  directiveKeys,
  directiveNames,
  directiveOf,
  directives,
  type DirectiveKey,
} from '../../../server/config/directives.js';
import { loadConfiguration, resolveConfiguration } from '../../../server/config/load-configuration.js';
import { editDistance, nearestName } from '../../../server/config/nearest-name.js';
import { parseMemorySize, parsePeerAddress, Refusal } from '../../../server/config/value-types.js';

const resolve = (given: Record<string, string>) =>
  resolveConfiguration(Object.entries(given).map(([name, value]) => ({ name, value, place: '' })));

test('the pinned names and defaults', (t) => {
  const configuration = resolve({ 'node-id': 'n', host: 'h' });
  t.like(configuration, {
    port: 6379,
    bind: ['127.0.0.1'],
    peerPort: 16379,
    httpPort: 8379,
    announceHost: '127.0.0.1',
    announcePort: 6379,
    clusterName: 'torc',
    initialNodes: 1,
    seeds: [],
    autoJoin: true,
    partitions: 1024,
    replicas: 3,
    writeQuorum: 2,
    readQuorum: 2,
    sloppyQuorum: true,
    readFrom: 'any',
    crossSlot: true,
    durability: 'everysec',
    cacheBytesMax: 256 * 1024 ** 2,
    gossipIntervalMs: 1000,
    phiThreshold: 8,
    suspicionTimeoutMs: 5000,
    peerTimeoutMs: 2000,
    clockDriftMaxMs: 500,
    clientsMax: 10000,
    idleTimeoutSeconds: 0,
    tcpKeepaliveSeconds: 300,
    bulkBytesMax: 512 * 1024 ** 2,
    queryBufferBytesMax: 1024 ** 3,
    logLevel: 'notice',
    save: '',
    appendOnly: 'yes',
  });
  const pinned =
    'port peer-port http-port bind announce-host announce-port dir node-id cluster-name initial-nodes zone host seeds auto-join partitions replicas write-quorum read-quorum sloppy-quorum read-from cross-slot durability cache-size gossip-interval phi-threshold suspicion-timeout peer-timeout hint-max-bytes hint-max-age max-clock-drift remove-down-after repair-rate migration-rate';
  for (const name of pinned.split(' ')) t.true(directiveNames.includes(name), name);
  t.is(new Set(directiveNames).size, directiveKeys.length);
});

test('the output buffer of a normal client is bounded, and holds the longest string', (t) => {
  const { outputBufferLimits, bulkBytesMax } = resolve({});
  t.true(outputBufferLimits.normal.hardBytes > bulkBytesMax);
});

test('every value that was read is read again from what CONFIG GET prints of it', (t) => {
  const configuration = resolve({ seeds: 'a:1,[::1]:2', bind: '127.0.0.1 ::1', 'phi-threshold': '7.5' });
  for (const key of directiveKeys) {
    const { type } = directiveOf(key);
    t.deepEqual(type.parse(type.format(configuration[key])), configuration[key], key);
  }
});

test('ports and labels follow from what is given', (t) => {
  t.like(resolve({ port: '7000' }), { port: 7000, peerPort: 17000, httpPort: 9000, announcePort: 7000 });
  t.like(resolve({ port: '7000', 'peer-port': '7001' }), { peerPort: 7001 });
  t.is(resolve({ bind: '10.0.0.1' }).announceHost, '10.0.0.1');
  t.not(resolve({ bind: '*' }).announceHost, '0.0.0.0');
  t.like(resolve({ replicas: '1' }), { replicas: 1, writeQuorum: 1, readQuorum: 1 });
  t.like(resolve({ replicas: '5' }), { replicas: 5, writeQuorum: 2, readQuorum: 2 });
});

test('a bad value names the directive, itself and what is allowed', (t) => {
  for (const [given, message] of [
    [{ 'peer-port': '0' }, "peer-port '0' is not allowed: it takes an integer from 1 to 65535"],
    [{ port: '0' }, 'port 0 without tls-port leaves clients nowhere to connect'],
    [{ PORT: '70000' }, "port '70000' is not allowed: it takes an integer from 0 to 65535"],
    [{ durability: 'never' }, "durability 'never' is not allowed: it takes one of always, everysec, os"],
    [{ partitions: '1000' }, "partitions '1000' is not allowed: it takes a power of two from 1 to 16384"],
    [
      { 'cache-size': '-1' },
      "cache-size '-1' is not allowed: it takes a memory size of at least 1048576 bytes, such as 1048576, 64kb, 512mb or 1gb",
    ],
    [{ 'sloppy-quorum': 'true' }, "sloppy-quorum 'true' is not allowed: it takes yes or no"],
    [{ save: '60 1' }, "save '60 1' is not allowed: it takes only '': there are no snapshots, every write goes to the commit log"],
    [
      { port: '60000' },
      'peer-port is port + 10000 = 70000, which is not allowed: it takes an integer from 1 to 65535; give peer-port itself',
    ],
    [{ 'write-qourum': '1' }, "unknown directive 'write-qourum'; the nearest is write-quorum"],
    [{ replica: '1' }, "unknown directive 'replica'; the nearest is replicas"],
  ] as const) {
    t.throws(() => resolve(given), { instanceOf: ConfigurationError, message });
  }
  for (const url of ['collector:4318', 'ftp://collector', '/v1/traces']) {
    t.throws(() => resolve({ 'tracing-endpoint': url }), {
      message: /^tracing-endpoint '.*' is not allowed: it takes a URL of http or https/,
    });
  }
  t.throws(() => resolve({ 'tracing-endpoint': 'http://user:hush@collector:4318' }));
  t.is(resolve({ 'tracing-endpoint': 'https://collector/otlp' }).tracingEndpoint, 'https://collector/otlp');
  t.throws(() => resolve({ seeds: 'kv-0' }), { message: /^seeds 'kv-0' is not allowed: it takes nothing, or host:port/ });
  t.throws(() => resolve({ 'node-id': 'a b' }), { message: /^node-id 'a b' is not allowed: it takes a name/ });
});

/** Files of server/ but those that say what directives there are. */
const sources = readdirSync(new URL('../../../../server/', import.meta.url), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith(join('config', 'directives')))
  .map((file) => readFileSync(new URL(`../../../../server/${file}`, import.meta.url), 'utf8'));

/** A property's name where one is read or taken out of an object, or the directive's own where CONFIG is asked for it. */
function isRead(key: DirectiveKey): boolean {
  const reading = new RegExp(`\\.${key}\\b|\\{[^{}=;()]*\\b${key}\\b[^{}=;()]*\\}\\s*[=:]|'${directives[key].name}'`);
  return sources.some((source) => reading.test(source));
}

test('what nobody reads has no effect, and is refused, not ignored', (t) => {
  const unread = directiveKeys.filter((key) => !isRead(key));
  const known = 'auto-join cross-slot max-clock-drift remove-down-after migration-rate appendonly maxmemory-policy databases';
  t.deepEqual(unread.map((key) => directives[key].name).toSorted(), known.split(' ').toSorted());
  for (const key of unread) {
    const { name, type, default: only } = directiveOf(key);
    if (typeof only !== 'string') return t.fail(`${name} has no default of its own`);
    t.true(type.allowed.startsWith(`only '${only}'`), `${name} takes ${type.allowed}`);
    t.notThrows(() => resolve({ [name]: only }));
  }
  for (const [name, other, only] of [
    ['max-clock-drift', '100', '500'],
    ['remove-down-after', '60', '0'],
    ['migration-rate', '1mb', '32mb'],
    ['auto-join', 'no', 'yes'],
    ['cross-slot', 'no', 'yes'],
  ] as const) {
    const error = t.throws(() => resolve({ [name]: other }), { instanceOf: ConfigurationError });
    t.true(error.message.startsWith(`${name} '${other}' is not allowed: it takes only '${only}' until there is more: `), error.message);
  }
  t.notThrows(() => resolve({ 'migration-rate': String(32 * 1024 ** 2) }));
});

test('rules between directives', (t) => {
  t.throws(() => resolve({ 'write-quorum': '4' }), { message: 'write-quorum 4 is more than replicas 3' });
  t.throws(() => resolve({ replicas: '2', 'read-quorum': '3' }), { message: 'read-quorum 3 is more than replicas 2' });
  t.throws(() => resolve({ port: '7000', 'peer-port': '7000' }), { message: 'peer-port 7000 is also port; the three ports differ' });
  t.throws(() => resolve({ 'http-port': '6379' }), { message: 'http-port 6379 is also port; the three ports differ' });
  t.throws(() => resolve({ 'http-port': '16379' }), { message: 'http-port 16379 is also peer-port; the three ports differ' });
  t.throws(() => resolve({ seeds: '127.0.0.1:6379' }), { message: /is this node's client port; seeds name peer ports \(16379 here\)$/ });
  t.throws(() => resolve({ 'gossip-interval': '5000' }), { message: 'suspicion-timeout 5000 is not more than gossip-interval 5000' });
});

test('a file in redis.conf syntax; the command line wins over it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'torc-conf-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'torc.conf');
  writeFileSync(
    file,
    '# a comment\n\n  port 7000\r\ndir "/data/with space"\nbind 127.0.0.1 10.0.0.1\nzone \'b\'\nsave ""\nclient-output-buffer-limit normal 2gb 1gb 10\nclient-output-buffer-limit pubsub 1mb 1kb 1\n',
  );
  const configuration = loadConfiguration({ file, overrides: [{ name: 'zone', value: 'c', place: '' }] });
  t.like(configuration, { port: 7000, directory: '/data/with space', bind: ['127.0.0.1', '10.0.0.1'], zone: 'c', save: '' });
  t.like(configuration.outputBufferLimits, {
    normal: { hardBytes: 2 * 1024 ** 3, softBytes: 1024 ** 3, softSeconds: 10 },
    slave: { hardBytes: 256 * 1024 ** 2, softBytes: 64 * 1024 ** 2, softSeconds: 60 },
    pubsub: { hardBytes: 1024 ** 2, softBytes: 1024, softSeconds: 1 },
  });
  writeFileSync(file, 'port 7000\nzones b\n');
  t.throws(() => loadConfiguration({ file, overrides: [] }), { message: `${file} line 2: unknown directive 'zones'; the nearest is zone` });
  writeFileSync(file, '\n\nport "7000\n');
  t.throws(() => loadConfiguration({ file, overrides: [] }), { message: `${file} line 3: unbalanced quotes in 'port "7000'` });
  t.throws(() => parseConfigurationFile('port', 'f'), { message: 'f line 1: port has no value; an empty one is written port ""' });
});

test('words are split as redis.conf splits them', (t) => {
  t.deepEqual(splitWords(String.raw`a "b \"c\" \x41\n" 'd \' \n' e#f`), ['a', 'b "c" A\n', String.raw`d ' \n`, 'e#f']);
  t.is(splitWords('a "b"c'), undefined);
  t.is(splitWords("a 'b"), undefined);
  t.deepEqual(splitWords('""'), ['']);
});

test('memory sizes are Redis memory sizes', (t) => {
  const sizes = { '0': 0, '1': 1, '1b': 1, '1k': 1000, '1kb': 1024, '5M': 5e6, '5Mb': 5 * 1024 ** 2, '1g': 1e9, '1GB': 1024 ** 3 };
  for (const [text, bytes] of Object.entries(sizes)) t.is(parseMemorySize(text), bytes, text);
  for (const text of ['', 'mb', '1.5mb', '-1', '1tb', '1 mb', '9999999999gb']) t.is(parseMemorySize(text), undefined, text);
});

test('peer addresses', (t) => {
  t.deepEqual(parsePeerAddress('kv-0.kv:16379'), { host: 'kv-0.kv', port: 16379 });
  t.deepEqual(parsePeerAddress('[fe80::1]:1'), { host: 'fe80::1', port: 1 });
  for (const text of ['a', 'a:0', 'a:65536', ':1', '::1:5', 'a:1x']) t.is(parsePeerAddress(text), undefined, text);
});

test('edit distance: transpositions count one; it is symmetric and no more than the longer length', (t) => {
  t.is(editDistance('wirte', 'write'), 1);
  t.is(editDistance('', 'abc'), 3);
  t.is(editDistance('kitten', 'sitting'), 3);
  t.is(nearestName('TIMEOT', directiveNames), 'timeout');
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b);
      return distance === editDistance(b, a) && distance <= Math.max(a.length, b.length) && (distance === 0) === (a === b);
    }),
  );
});

test('no text makes a parser throw or a value that cannot be printed and read again', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...directiveKeys), fc.string({ maxLength: 30 }), (key, text) => {
      const { type } = directiveOf(key);
      const value = type.parse(text);
      if (value instanceof Refusal) return;
      t.deepEqual(type.parse(type.format(value)), value);
    }),
  );
  t.is(directiveKeyOf('PeEr-TiMeOuT'), 'peerTimeoutMs');
  t.is(directives.peerTimeoutMs.unit, 'ms');
});

test('a file includes others, in their place, and not itself for ever', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'torc-include-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const [outer, inner] = [join(directory, 'outer.conf'), join(directory, 'inner.conf')];
  writeFileSync(outer, `zone a\nport 7000\ninclude ${inner}\nport 7002\n`);
  writeFileSync(inner, '# nothing but\nzone b\nport 7001\n');
  t.like(loadConfiguration({ file: outer, overrides: [] }), { zone: 'b', port: 7002 });
  writeFileSync(inner, 'zones b\n');
  t.throws(() => loadConfiguration({ file: outer, overrides: [] }), {
    message: `${inner} line 1: unknown directive 'zones'; the nearest is zone`,
  });
  writeFileSync(inner, `include ${outer}\n`);
  t.throws(() => loadConfiguration({ file: outer, overrides: [] }), { message: /line \d: files include one another more than 16 deep$/ });
});
