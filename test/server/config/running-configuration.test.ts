import test from 'ava';
import { resolveConfiguration } from '../../../server/config/load-configuration.js';
import { matchesGlob } from '../../../server/glob-pattern.js';
import { RunningConfiguration } from '../../../server/config/running-configuration.js';

const running = () => new RunningConfiguration(resolveConfiguration([]));

test('CONFIG GET: names and globs, case ignored, each directive once', (t) => {
  const configuration = running();
  t.deepEqual(configuration.matching(['port']), [['port', '6379']]);
  t.deepEqual(configuration.matching(['SAVE', 'appendonly', 'save']), [
    ['save', ''],
    ['appendonly', 'yes'],
  ]);
  t.deepEqual(configuration.matching(['*-quorum']), [
    ['write-quorum', '2'],
    ['read-quorum', '2'],
    ['sloppy-quorum', 'yes'],
  ]);
  t.deepEqual(configuration.matching(['maxmemory']), [['maxmemory', '0']]);
  t.deepEqual(configuration.matching(['proto-max-bulk-len']), [['proto-max-bulk-len', '536870912']]);
  t.deepEqual(configuration.matching(['client-output-buffer-limit']), [
    ['client-output-buffer-limit', 'normal 1073741824 268435456 60 slave 268435456 67108864 60 pubsub 33554432 8388608 60'],
  ]);
  t.deepEqual(configuration.matching(['nosuch']), []);
  t.true(configuration.matching(['*']).length > 40);
});

test('CONFIG SET changes what is in force and tells those who listen, once and only on a change', (t) => {
  const configuration = running();
  const heard: number[] = [];
  configuration.onChange('peerTimeoutMs', ({ peerTimeoutMs, writeQuorum }) => heard.push(peerTimeoutMs, writeQuorum));
  t.is(
    configuration.set([
      ['PEER-timeout', '250'],
      ['write-quorum', '3'],
    ]),
    undefined,
  );
  t.is(configuration.current.peerTimeoutMs, 250);
  t.is(configuration.set([['peer-timeout', '250']]), undefined);
  t.is(configuration.set([['read-quorum', '1']]), undefined);
  t.deepEqual(heard, [250, 3]);
  t.is(configuration.set([['client-output-buffer-limit', 'replica 1mb 1kb 5']]), undefined);
  t.deepEqual(configuration.current.outputBufferLimits.slave, { hardBytes: 1024 ** 2, softBytes: 1024, softSeconds: 5 });
  t.is(configuration.current.outputBufferLimits.normal.hardBytes, 1024 ** 3);
  t.is(configuration.set([['save', '']]), undefined);
});

test("CONFIG SET refuses in Redis 7's words, and then changes nothing", (t) => {
  const configuration = running();
  configuration.onChange('idleTimeoutSeconds', () => t.fail());
  const before = configuration.current;
  const failed = (name: string, reason: string) => `CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
  for (const [pairs, error] of [
    [[['nosuch', '1']], "Unknown option or number of arguments for CONFIG SET - 'nosuch'"],
    [[['databases', '1']], failed('databases', "can't set immutable config")],
    [[['timeout', 'abc']], failed('timeout', "argument couldn't be parsed into an integer")],
    [[['timeout', '-1']], failed('timeout', 'argument must be between 0 and 2147483647 inclusive')],
    [
      [
        ['maxclients', '10'],
        ['maxclients', '12'],
      ],
      failed('maxclients', 'duplicate parameter'),
    ],
    [
      [
        ['timeout', '5'],
        ['tcp-keepalive', 'x'],
      ],
      failed('tcp-keepalive', "argument couldn't be parsed into an integer"),
    ],
    [[['client-query-buffer-limit', 'abc']], failed('client-query-buffer-limit', 'argument must be a memory value')],
    [[['loglevel', 'foo']], failed('loglevel', 'argument(s) must be one of the following: debug, verbose, notice, warning, nothing')],
    [[['cache-size', '1gb']], failed('cache-size', "can't set immutable config")],
    [[['remove-down-after', '60']], failed('remove-down-after', "argument must be '0' until there is more: nodes cannot be removed")],
    [[['sloppy-quorum', '1']], failed('sloppy-quorum', "argument must be 'yes' or 'no'")],
    [
      [['client-output-buffer-limit', 'normal 1 2']],
      failed('client-output-buffer-limit', 'Wrong number of arguments in buffer limit configuration.'),
    ],
    [
      [['client-output-buffer-limit', 'foo 1 2 3']],
      failed('client-output-buffer-limit', 'Invalid client class specified in buffer limit configuration.'),
    ],
    [
      [['client-output-buffer-limit', 'normal x 2 3']],
      failed('client-output-buffer-limit', 'Error in hard, soft or soft_seconds setting in buffer limit configuration.'),
    ],
    [
      [
        ['timeout', '5'],
        ['write-quorum', '4'],
      ],
      failed('write-quorum', 'write-quorum 4 is more than replicas 3'),
    ],
  ] as const) {
    t.is(configuration.set(pairs), error);
    t.is(configuration.current, before);
  }
});

test('patterns over names', (t) => {
  for (const [pattern, yes, no] of [
    ['*', ['', 'a'], []],
    ['max*', ['maxclients'], ['imax']],
    ['*max*', ['maxclients', 'proto-max-bulk-len'], ['port']],
    ['ti?eout', ['timeout'], ['tieout', 'timmeout']],
    ['tim[a-f]out', ['timeout'], ['timgout']],
    ['tim[^a-d]out', ['timeout'], ['timbout']],
    ['tim[f-a]out', ['timeout'], []],
    ['a\\*b', ['a*b'], ['axb']],
    ['[\\]]', [']'], ['\\']],
    ['*a*b', ['xaxbb', 'ab'], ['ba', 'abx']],
    ['a[', [], ['a', 'ab']],
  ] as const) {
    for (const name of yes) t.true(matchesGlob(Buffer.from(pattern), Buffer.from(name), true), `${pattern} ${name}`);
    for (const name of no) t.false(matchesGlob(Buffer.from(pattern), Buffer.from(name), true), `${pattern} ${name}`);
  }
});
