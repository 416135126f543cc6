/**
 * The image, where no Docker engine runs: its files are read and judged, and what they say is done by hand: the sources that the build context lets
 * through are built, what the last stage copies is laid out, and its start command runs there as a user who owns nothing of it, with every file system
 * but that of its data read-only where this user may make it so.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import test from 'ava';
import { type Copy, DockerfileParser, type Instruction } from 'dockerfile-ast';
import { parse } from 'yaml';
import { parseCommandLine } from '../../server/cli/arguments.js';
import { resolveConfiguration } from '../../server/config/load-configuration.js';
import { at } from '../assembly.js';
import { dataDirectory, dataVolume, programDirectory } from '../manifests/names.js';
import { imageUser, ports } from '../ports.js';
import { sources } from './deployment.js';

const imageFile = (name: string): string => readFileSync(join(sources, 'infra/image', name), 'utf8');

interface Stage {
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

function stagesOf(text: string): Stage[] {
  const stages: { from: string; instructions: Instruction[] }[] = [];
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    if (instruction.getKeyword() === 'FROM') stages.push({ from: instruction.getArgumentsContent() ?? '', instructions: [] });
    else stages.at(-1)?.instructions.push(instruction);
  }
  return stages;
}

const argumentsOf = (stage: Stage | undefined, keyword: string): string[] =>
  (stage?.instructions ?? [])
    .filter((one) => one.getKeyword() === keyword)
    .map((one) => (one.getArgumentsContent() ?? '').replaceAll(/\\\n\s*/g, ''));

/** What is wrong with a Dockerfile, in words. */
function faults(text: string): string[] {
  const found: string[] = [];
  const judge = (isRight: boolean, what: string): void => void (isRight || found.push(what));
  const stages = stagesOf(text);
  const last = stages.at(-1);
  const [version] = /^ARG NODE_IMAGE=node:(\S+)/m.exec(text)?.slice(1) ?? [];
  judge(version?.split('.')[0] === process.versions.node.split('.')[0], 'Node is of another major version than the tests run on');
  judge(/^\d+\.\d+\.\d+-[a-z]+-slim$/.test(version ?? ''), "Node's version is not pinned");
  judge(stages.length === 2 && stages.every(({ from }) => from.startsWith('${NODE_IMAGE}')), 'there are not two stages of one image');
  judge(
    argumentsOf(last, 'RUN').every((one) => !/\bnpm\b|apt-get/.test(one)),
    'the last stage installs things',
  );
  judge(argumentsOf(last, 'USER').at(-1) === `${imageUser}:${imageUser}`, 'it does not end as its own user, by number');
  judge(argumentsOf(last, 'EXPOSE').join(' ') === `${ports.client} ${ports.http} ${ports.peer}`, 'it exposes other ports');
  judge(argumentsOf(last, 'VOLUME').join() === dataVolume, 'its data is on no volume');
  judge(argumentsOf(last, 'WORKDIR').join() === programDirectory, 'it works elsewhere');
  judge(
    argumentsOf(last, 'HEALTHCHECK').some((one) => one.includes(`:${ports.http}/livez`)),
    'it has no health check',
  );
  for (const keyword of ['ENTRYPOINT', 'CMD'])
    judge(/^\[.*\]$/.test(argumentsOf(last, keyword).at(-1) ?? ''), `${keyword} is not in exec form: a shell would take the signals`);
  judge(!/^ADD /m.test(text), 'ADD fetches and unpacks; COPY does not');
  return found;
}

test('the Dockerfile has no faults, and each that is looked for is found', (t) => {
  const text = imageFile('Dockerfile');
  t.deepEqual(faults(text), []);
  const mistakes: readonly (readonly [RegExp, string])[] = [
    [/node:20\.[\d.]+/, 'node:22.1.0'],
    [/node:20\.[\d.]+-bookworm-slim/, 'node:20'],
    [/^FROM \$\{NODE_IMAGE\}$/m, 'RUN true'],
    [/^USER .*$/m, 'USER root'],
    [/^USER .*$/m, 'USER torc'],
    [/^EXPOSE .*$/m, 'EXPOSE 80'],
    [/^VOLUME .*$/m, ''],
    [/^HEALTHCHECK (.|\n)*?\n {2}.*$/m, ''],
    [/^ENTRYPOINT .*$/m, 'ENTRYPOINT node dist/server/main.js'],
    [/^COPY LICENSE/m, 'ADD LICENSE'],
    [/^ENV NODE_ENV.*$/m, 'RUN npm install --global something'],
  ];
  for (const [pattern, replacement] of mistakes) {
    t.regex(text, pattern);
    t.true(faults(text.replace(pattern, replacement)).length > 0, `${pattern} -> ${replacement}`);
  }
});

test('the compose file: three nodes that seed one another, in zones of their own, with volumes, and nothing writable beside them', (t) => {
  const compose = parse(imageFile('compose.yaml'), { merge: true }) as {
    services: Record<string, Record<string, unknown>>;
    volumes: object;
  };
  const names = Object.keys(compose.services);
  t.deepEqual(names, ['torc-1', 'torc-2', 'torc-3']);
  t.deepEqual(Object.keys(compose.volumes), names);
  const zones = Object.entries(compose.services).map(([name, service]) => {
    t.like(service, { hostname: name, read_only: true, cap_drop: ['ALL'], volumes: [`${name}:${dataVolume}`] });
    t.true(existsSync(join(sources, 'infra/image', String(at(service, 'build', 'context')), String(at(service, 'build', 'dockerfile')))));
    const commandLine = parseCommandLine(service['command'] as string[]);
    if (commandLine.kind !== 'server') throw new Error(`${name} runs ${commandLine.kind}`);
    const configuration = resolveConfiguration(commandLine.settings);
    t.like(configuration, { nodeId: name, announceHost: name, initialNodes: 3, replicas: 3, bind: ['0.0.0.0'], directory: dataDirectory });
    t.deepEqual(
      configuration.seeds,
      names.map((host) => ({ host, port: ports.peer })),
    );
    for (const port of service['ports'] as string[]) t.regex(port, /^127\.0\.0\.1:\d+:(6379|8379)$/);
    return configuration.zone;
  });
  t.is(new Set(zones).size, 3);
});

/** The COPY instructions of a stage: what, from which stage, to where. */
function copies(stage: Stage | undefined): { readonly from: string | undefined; readonly names: readonly string[]; readonly to: string }[] {
  return (stage?.instructions ?? [])
    .filter((one) => one.getKeyword() === 'COPY')
    .map((one) => {
      const words = one.getArguments().map((word) => word.getValue());
      const from = (one as Copy).getFromFlag()?.getValue() ?? undefined;
      return { from, names: words.slice(0, -1), to: words.at(-1) ?? '' };
    });
}

/**
 * What to run a command by so that it can write to nothing but a directory, and is the image's user; nothing where that takes rights that this user has
 * not. Ends with 99 when something else could be written to all the same.
 */
function confinedTo(directory: string, other: string): string[] {
  const can = spawnSync('unshare', ['--mount', 'setpriv', '--version'], { stdio: 'ignore' }).status === 0;
  const script = `mount --bind "$0" "$0" && mount -o remount,bind,ro / || exit 98
for one in /tmp /var/tmp /dev/shm; do if mountpoint -q $one; then mount -o remount,bind,ro $one; fi; done
if touch "${other}/written" /tmp/written 2>/dev/null; then exit 99; fi
exec setpriv --reuid ${imageUser} --regid ${imageUser} --clear-groups "$@"`;
  return can ? ['unshare', '--mount', 'sh', '-c', script, directory] : [];
}

test('built and laid out as the Dockerfile says, it runs as a user who owns nothing of it', async (t) => {
  t.timeout(180_000);
  const root = mkdtempSync(join(tmpdir(), 'torc-image-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const [build, last] = stagesOf(imageFile('Dockerfile'));
  const allowed = imageFile('Dockerfile.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  const built = join(root, 'build');
  mkdirSync(built);
  for (const { names } of copies(build))
    for (const name of names) {
      t.true(allowed.includes(name), `${name} is kept out of the build`);
      const whole = !name.includes('.');
      cpSync(join(sources, name), join(built, whole ? name : basename(name)), {
        recursive: true,
        filter: (path) => !path.endsWith('protocol/generated'),
      });
    }
  symlinkSync(join(sources, 'node_modules'), join(built, 'node_modules')); // what npm ci would install
  const compiled = spawnSync('npm', ['run', '-s', 'build'], { cwd: built, encoding: 'utf8' });
  t.is(compiled.status, 0, compiled.stdout + compiled.stderr);
  rmSync(join(built, 'node_modules'));
  // What npm prune --omit=dev would leave.
  const packages = spawnSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: sources, encoding: 'utf8' });
  for (const path of packages.stdout.split('\n').filter((line) => line.includes('node_modules')))
    cpSync(path, join(built, relative(sources, path)), { recursive: true });

  const program = join(root, 'torc');
  for (const { from, names, to } of copies(last))
    for (const name of names)
      cpSync(
        from === 'build' ? join(built, relative(programDirectory, name)) : join(sources, name),
        join(program, relative(programDirectory, to)),
        { recursive: true },
      );
  t.deepEqual(readdirSync(program).toSorted(), ['LICENSE', 'dist', 'node_modules', 'package.json']);
  t.false(existsSync(join(program, 'node_modules/aws-cdk-lib')));

  const data = join(root, 'data');
  mkdirSync(data);
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? { uid: imageUser, gid: imageUser } : {};
  if (isRoot) chownSync(data, imageUser, imageUser);
  chmodSync(root, 0o755);
  const address = `127.${1 + (process.pid % 200)}.${1 + (Math.floor(process.pid / 200) % 200)}.9`;
  const words = (keyword: string): string[] => JSON.parse(/\[.*\]/.exec(argumentsOf(last, keyword).at(-1) ?? '')?.[0] ?? '[]') as string[];
  const here = (word: string): string =>
    word
      .replace(/^0\.0\.0\.0$/, address)
      .replace('127.0.0.1', address)
      .replace(new RegExp(`^${dataVolume}/`), `${data}/`);
  const confined = confinedTo(data, root);
  const started = [...confined, ...[...words('ENTRYPOINT'), ...words('CMD')].map(here)];
  t.log(confined.length > 0 ? 'read-only but for its data' : 'not read-only: no rights to make it so');
  const child = spawn(started[0] ?? '', started.slice(1), {
    cwd: program,
    ...(confined.length > 0 ? {} : user),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const isReady = new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => chunk.includes(' ready on ') && resolve());
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${output}`)));
  });
  await isReady;
  const check = (): number | null => {
    const [health, ...args] = words('HEALTHCHECK').map(here);
    return spawnSync(health ?? '', args, { stdio: 'ignore' }).status;
  };
  t.is(check(), 0);
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  t.is(code, 0, output);
  t.is(check(), 1);
});
