import test from 'ava';
import { parseCommandLine, UsageError } from '../../../server/cli/arguments.js';
import { helpText } from '../../../server/cli/help.js';
import { planCluster } from '../../../server/cli/cluster-plan.js';
import { parseReadyLine, readyLine } from '../../../server/cli/ready-line.js';
import { directiveNames } from '../../../server/config/directives.js';

const setting = (name: string, value: string) => ({ name, value, place: '' });

test('server: a file, then directives with one or several words, empty ones and = among them', (t) => {
  t.deepEqual(parseCommandLine(['server']), { kind: 'server', file: undefined, settings: [] });
  t.deepEqual(parseCommandLine(['server', 'torc.conf', '--port', '7000', '--bind', '127.0.0.1', '10.0.0.1', '--save', '', '--zone=b']), {
    kind: 'server',
    file: 'torc.conf',
    settings: [setting('port', '7000'), setting('bind', '127.0.0.1 10.0.0.1'), setting('save', ''), setting('zone', 'b')],
  });
});

test('cluster: nodes is its own, everything else is passed on', (t) => {
  t.deepEqual(parseCommandLine(['cluster']), { kind: 'cluster', nodes: 3, settings: [] });
  t.deepEqual(parseCommandLine(['cluster', '--nodes', '5', '--port', '7000', '--durability', 'always']), {
    kind: 'cluster',
    nodes: 5,
    settings: [setting('port', '7000'), setting('durability', 'always')],
  });
});

test('help and version, anywhere', (t) => {
  t.deepEqual(parseCommandLine([]), { kind: 'help', about: undefined });
  t.deepEqual(parseCommandLine(['--help']), { kind: 'help', about: undefined });
  t.deepEqual(parseCommandLine(['cluster', '--port', '1', '-h']), { kind: 'help', about: 'cluster' });
  t.deepEqual(parseCommandLine(['server', '--version']), { kind: 'version' });
});

test('what cannot be meant names itself and the nearest right thing', (t) => {
  for (const [argv, message] of [
    [['cluser'], /unknown subcommand 'cluser'; the nearest is 'torc cluster'/],
    [['--port', '1'], /a subcommand comes before options; unknown '--port'/],
    [['server', '--wirte-quorum', '2'], /^unknown option --wirte-quorum; the nearest is --write-quorum$/],
    [['cluster', '--node', '2'], /^unknown option --node; the nearest is --nodes$/],
    [['server', '--nodes', '2'], /^unknown option --nodes; the nearest is /],
    [['server', '-x'], /^unknown option -x/],
    [['server', '--port'], /^--port needs a value$/],
    [['server', '--port', '--dir', 'x'], /^--port needs a value$/],
    [['server', 'a.conf', 'b.conf'], /'b\.conf' is a second$/],
    [['cluster', 'a.conf'], /'a\.conf' is none$/],
    [['cluster', '--nodes', '0'], /^nodes '0' is not allowed: it takes an integer from 1 to 64$/],
    [['cluster', '--nodes', 'three'], /^nodes 'three' is not allowed/],
  ] as const) {
    t.throws(() => parseCommandLine(argv), { instanceOf: UsageError, message }, argv.join(' '));
  }
});

test('help lists every directive with its default', (t) => {
  const text = helpText(undefined);
  for (const name of directiveNames) t.regex(text, new RegExp(`--${name} .*\\[.+\\]`), name);
  t.regex(text, /--peer-port .*\[port \+ 10000\]/);
});

test('a planned cluster counts up ports, zones and names, and names every other node as a seed', (t) => {
  const planned = planCluster(3, [setting('port', '7000'), setting('dir', '/data'), setting('durability', 'always')]);
  t.deepEqual(
    planned.map(({ configuration: { nodeId, port, peerPort, httpPort, zone, directory, initialNodes, durability } }) => {
      return [nodeId, port, peerPort, httpPort, zone, directory, initialNodes, durability];
    }),
    [
      ['node1', 7000, 17000, 9000, 'a', '/data/node1', 3, 'always'],
      ['node2', 7001, 17001, 9001, 'b', '/data/node2', 3, 'always'],
      ['node3', 7002, 17002, 9002, 'c', '/data/node3', 3, 'always'],
    ],
  );
  t.deepEqual(planned[1]?.configuration.seeds, [
    { host: '127.0.0.1', port: 17000 },
    { host: '127.0.0.1', port: 17002 },
  ]);
  t.deepEqual(parseCommandLine(planned[1]?.args ?? []), {
    kind: 'server',
    file: undefined,
    settings: [
      setting('node-id', 'node2'),
      setting('port', '7001'),
      setting('peer-port', '17001'),
      setting('http-port', '9001'),
      setting('dir', '/data/node2'),
      setting('logfile', '/data/node2.log'),
      setting('zone', 'b'),
      setting('initial-nodes', '3'),
      setting('seeds', '127.0.0.1:17000,127.0.0.1:17002'),
      setting('durability', 'always'),
    ],
  });
});

test('a planned cluster: given directives win, except those that cannot be the same for all', (t) => {
  const [first] = planCluster(2, [setting('zone', 'x'), setting('peer-port', '30000'), setting('bind', '0.0.0.0')]);
  t.is(first?.configuration.zone, 'x');
  t.is(first?.configuration.peerPort, 30000);
  t.deepEqual(first?.configuration.seeds, [{ host: '127.0.0.1', port: 30001 }]);
  t.throws(() => planCluster(2, [setting('node-id', 'x')]), { instanceOf: UsageError });
  t.throws(() => planCluster(3, [setting('port', '65534')]), { message: /^peer-port is port \+ 10000 = 75534, which is not allowed/ });
  t.throws(() => planCluster(3, [setting('port', '7000'), setting('peer-port', '7001'), setting('http-port', '7002')]), {
    message: /^--port 7000 to 7002 and --peer-port 7001 to 7003 overlap/,
  });
});

test('the ready line can be read again', (t) => {
  const node = { nodeId: 'node1', host: '::1', port: 6379 };
  t.is(readyLine({ ...node, host: '127.0.0.1' }), 'torc: node1 ready on 127.0.0.1:6379');
  t.deepEqual(parseReadyLine(readyLine(node)), node);
  t.is(parseReadyLine('torc: something else'), undefined);
});
