/**
 * `npm run infra:synth` as a process: without credentials, account or (where a namespace can be made) network, in under 20 s of CPU, the same bytes each
 * time. And cdk-nag: nothing is unacknowledged, everything acknowledged is there, and a planted finding stops the synthesis.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as s3 from 'aws-cdk-lib/aws-s3';
import test, { type ExecutionContext } from 'ava';
import { acknowledgements } from '../acknowledgements.js';
import { checkedParameters } from '../parameters.js';
import { torcApp } from '../torc-app.js';
import { sources } from './deployment.js';

const cpuSecondsMax = 20;

function temporary(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'torc-synth-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Every file below a directory with its bytes. */
function contents(directory: string): Map<string, Buffer> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(directory, name)).isFile());
  return new Map(names.toSorted().map((name) => [name, readFileSync(join(directory, name))]));
}

/** How to run a program without any network; nothing where that takes rights that this user has not. */
const withoutNetwork = spawnSync('unshare', ['--net', 'true'], { stdio: 'ignore' }).status === 0 ? ['unshare', '--net'] : [];

/** Says on standard error, when the process ends, how many seconds of CPU it took. */
const countsCpu =
  "data:text/javascript,process.on('exit',()=>{const{user,system}=process.cpuUsage();process.stderr.write('cpu '+(user+system)/1e6)})";

test.serial('offline, quickly, twice the same', (t) => {
  const seconds: number[] = [];
  const [first, second] = [temporary(t), temporary(t)].map((directory) => {
    const synth = [process.execPath, '--import', countsCpu, join(sources, 'dist/infra/app.js'), '--output', join(directory, 'out')];
    const [program = '', ...args] = [...withoutNetwork, ...synth];
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', HOME: directory } });
    t.is(status, 0, stderr);
    seconds.push(Number(/cpu ([\d.]+)$/.exec(stderr)?.[1]));
    return contents(join(directory, 'out'));
  });
  t.true((first?.size ?? 0) > 10);
  t.deepEqual([...(first?.keys() ?? [])], [...(second?.keys() ?? [])]);
  for (const [name, bytes] of first ?? []) t.true(bytes.equals(second?.get(name) ?? Buffer.alloc(0)), `${name} differs`);
  t.true(Math.max(...seconds) < cpuSecondsMax, `${seconds.join(' and ')} s of CPU`);
  t.log(
    `${seconds.join(' and ')} s of CPU, ${withoutNetwork.length > 0 ? 'without a network' : 'with a network: no rights to take it away'}`,
  );
});

/** Ids of all findings of a synthesis that they stopped. */
function findings(directory: string): string[] {
  const report = JSON.parse(readFileSync(join(directory, 'validation-report.json'), 'utf8')) as {
    pluginReports: { pluginName: string; violations: { ruleName: string }[] }[];
  };
  const prefix = (pluginName: string): string =>
    pluginName === 'AwsSolutions' ? 'AwsSolutions::' : `${pluginName.replaceAll(' ', '-')}::`;
  return report.pluginReports.flatMap(({ pluginName, violations }) => violations.map(({ ruleName }) => prefix(pluginName) + ruleName));
}

test.serial('cdk-nag: what is acknowledged is what there is, each with its reason; anything else stops the synthesis', (t) => {
  const parameters = checkedParameters({ 'api-cidrs': '198.51.100.0/24' });
  const directory = temporary(t);
  const bare = torcApp(parameters, sources, directory, false);
  t.throws(() => bare.app.synth(), { message: /A copy of this report/ });
  const accepted = acknowledgements(bare);
  t.deepEqual([...new Set(findings(directory))].toSorted(), [...new Set(accepted.map(({ id }) => id))].toSorted());
  for (const { id, reason } of accepted) t.true(reason.length > 60 && reason.endsWith('.'), id);

  const planted = torcApp(checkedParameters({}), sources, temporary(t));
  new s3.Bucket(planted.store, 'Open');
  t.throws(() => planted.app.synth(), { message: /A copy of this report/ });
});

test('parameters that cannot be meant end it with one line and exit code 2', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [join(sources, 'dist/infra/app.js'), '--nodes', '2'], { encoding: 'utf8' });
  t.is(status, 2);
  t.regex(stderr, /^nodes: [^\n]*\n$/);
});
