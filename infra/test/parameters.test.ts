/** What an operator may ask for, and what is refused before anything is synthesized. */
import test from 'ava';
import { ParameterError, parametersOf } from '../parameters.js';

const certificate = 'arn:aws:acm:us-east-1:123456789012:certificate/0a1b';

test('defaults, and values from the command line', (t) => {
  const { parameters, output } = parametersOf([]);
  t.is(output, undefined);
  t.like(parameters, { nodes: 3, scheme: 'internal', 'client-cidrs': ['10.0.0.0/16'], 'api-cidrs': [], protect: true, monitoring: false });
  const given = parametersOf(['--nodes', '6', '--client-cidrs', '10.0.0.0/16,192.168.0.0/24', '--protect', 'no', '--output', '/tmp/x']);
  t.is(given.output, '/tmp/x');
  t.like(given.parameters, { nodes: 6, 'client-cidrs': ['10.0.0.0/16', '192.168.0.0/24'], protect: false });
  t.is(
    parametersOf(['--image', 'registry.example:5000/torc@sha256:' + 'a'.repeat(64)]).parameters.image?.slice(0, 27),
    'registry.example:5000/torc@',
  );
});

const refused: readonly (readonly [readonly string[], RegExp])[] = [
  [['--nodes', '2'], /^nodes: /],
  [['--nodes', 'many'], /^nodes: /],
  [['--node', '3'], /--node/],
  [['--image', 'torc'], /^image: takes a name with a tag or digest/],
  [['--client-cidrs', '10.0.0.0'], /^client-cidrs\.0: takes a CIDR/],
  [['--client-cidrs', '10.0.0.300/8'], /^client-cidrs\.0: takes a CIDR/],
  [['--certificate-arn', 'arn:aws:iam::123456789012:role/x'], /^certificate-arn: takes an ARN of acm/],
  [['--scheme', 'internet-facing'], /^scheme internet-facing: needs certificate-arn/],
  [
    ['--scheme', 'internet-facing', '--certificate-arn', certificate, '--client-cidrs', '0.0.0.0/0'],
    /^client-cidrs 0\.0\.0\.0\/0: not with scheme internet-facing/,
  ],
  [['--api-cidrs', '0.0.0.0/0'], /^api-cidrs 0\.0\.0\.0\/0: the Kubernetes API is not opened/],
  [['--cache-mib', '5000'], /^cache-mib: /],
  [['--namespace', 'Torc_1'], /^namespace: takes up to 40/],
  [['--durability', 'never'], /^durability: /],
];
for (const [argv, message] of refused) {
  test(`refused: ${argv.join(' ')}`, (t) => {
    t.throws(() => parametersOf(argv), { instanceOf: ParameterError, message });
  });
}
