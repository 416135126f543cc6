/**
 * `npm run simulate`: whole clusters on simulated time, network and disks, a seed each, under faults, in parallel processes.
 *
 *   --seeds N      how many; 100
 *   --from S       the first; 1
 *   --seed S       that one alone: what was done to it, and where it went wrong the last lines of its trace
 *   --processes P  as many as there are processors
 *   --canary NAME  with a planted bug, until it is caught; exit code 0 when it is
 *   --canaries     with each of the planted bugs in turn, 200 seeds for each to be caught in; exit code 0 when all are
 *
 * Exit code 1 when a seed is bad, with the command that runs it again.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { canaries, caughtBefore } from './canaries.js';
import { runOne, type SeedOutcome } from './seed-run.js';
import { runSeeds, type Told } from './seed-processes.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    processes: { type: 'string', default: String(availableParallelism()) },
    canary: { type: 'string' },
    canaries: { type: 'boolean', default: false },
  },
});

/** How often a long run says how far it is. */
const progressSeeds = 1000;

function wholeNumber(text: string, what: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`--${what} takes a whole number from 1 on, not '${text}'`);
  return Number(text);
}

const wholeNumbers = (first: number, count: number): number[] => Array.from({ length: count }, (_, at) => first + at);

/** Counts of several records added up, in the order of their kinds' first appearance. */
function sumOf(records: readonly Readonly<Record<string, number>>[]): string {
  const sums = new Map<string, number>();
  for (const record of records) for (const [kind, times] of Object.entries(record)) sums.set(kind, (sums.get(kind) ?? 0) + times);
  return [...sums].map(([kind, times]) => `${kind} ${times}`).join(', ');
}

function printFigures(outcomes: readonly SeedOutcome[]): void {
  const sum = (figure: 'acknowledged' | 'refused' | 'unknown' | 'simulatedMs'): number =>
    outcomes.reduce((total, outcome) => total + outcome[figure], 0);
  const inOrder = [...outcomes].sort((a, b) => a.seed - b.seed);
  console.log(`seeds by nodes: ${sumOf(inOrder.map(({ nodes }) => ({ [`${nodes}:`]: 1 })))}`);
  console.log(`seeds by durability: ${sumOf(inOrder.map(({ durability }) => ({ [durability]: 1 })))}`);
  console.log(`faults: ${sumOf(inOrder.map(({ injected }) => injected))}`);
  console.log(`commands: ${sum('acknowledged')} acknowledged, ${sum('refused')} refused, ${sum('unknown')} of unknown outcome`);
  console.log(`${(sum('simulatedMs') / 60_000).toFixed(1)} simulated minutes`);
  const [first] = inOrder;
  if (first !== undefined) console.log(`trace of seed ${first.seed}: ${first.hash}`);
}

const replay = (seed: number): string =>
  `npm run simulate -- --seed ${seed}${values.canary === undefined ? '' : ` --canary '${values.canary}'`}`;

async function one(seed: number): Promise<void> {
  const outcome = await runOne(seed, values.canary);
  if (outcome.fault !== undefined) console.log(outcome.story);
  printFigures([outcome]);
  console.log(`seed ${seed} is ${outcome.fault === undefined ? 'clean' : `bad: ${outcome.fault}`}`);
  if (outcome.fault !== undefined) process.exitCode = 1;
}

async function many(first: number, count: number): Promise<void> {
  const seeds = wholeNumbers(first, count);
  const processes = wholeNumber(values.processes, 'processes');
  const outcomes: SeedOutcome[] = [];
  const bad: Told[] = [];
  let ended = 0;
  const beganMs = performance.now();
  await runSeeds(seeds, processes, values.canary, (outcome) => {
    if ('hash' in outcome) outcomes.push(outcome);
    if (outcome.fault !== undefined) {
      bad.push(outcome);
      console.log(`seed ${outcome.seed} is bad: ${outcome.fault}\n  ${replay(outcome.seed)}`);
    }
    if (++ended % progressSeeds === 0 && ended < count) console.log(`${ended} of ${count} seeds have run`);
    return values.canary === undefined || bad.length === 0;
  });
  const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
  const ran = outcomes.length + bad.filter((outcome) => !('hash' in outcome)).length;
  printFigures(outcomes);
  console.log(`${ran} seeds: ${ran - bad.length} clean, ${bad.length} bad, in ${seconds} s of ${processes} processes`);
  for (const { seed } of bad) console.log(`bad: ${replay(seed)}`);
  if (bad.length > 0 !== (values.canary !== undefined)) process.exitCode = 1;
}

/** The histories have to catch each planted bug, or they prove nothing. */
async function allCanaries(count: number): Promise<void> {
  const processes = wholeNumber(values.processes, 'processes');
  const beganMs = performance.now();
  let missed = 0;
  const left = Object.keys(canaries);
  const lane = async (): Promise<void> => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const first = caughtBefore[name] ?? 1;
      if (first > count) throw new Error(`'${name}' is to be caught in ${count} seeds, and is looked for in seed ${first}`);
      const seeds = [first, ...wholeNumbers(1, count).filter((seed) => seed !== first)];
      let caught: Told | undefined;
      await runSeeds(seeds, 1, name, (outcome) => {
        // A process that ended says nothing of the histories.
        if ('hash' in outcome && outcome.fault !== undefined) caught = outcome;
        return caught === undefined;
      });
      if (caught === undefined) missed++;
      console.log(caught === undefined ? `NOT CAUGHT in ${count} seeds: ${name}` : `caught by seed ${caught.seed}: ${name}`);
    }
  };
  await Promise.all(Array.from({ length: processes }, lane));
  const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
  console.log(`${Object.keys(canaries).length} planted bugs: ${missed} not caught, in ${seconds} s of ${processes} processes`);
  if (missed > 0) process.exitCode = 1;
}

if (values.seed !== undefined) await one(wholeNumber(values.seed, 'seed'));
else if (values.canaries) await allCanaries(wholeNumber(values.seeds ?? '200', 'seeds'));
else await many(wholeNumber(values.from, 'from'), wholeNumber(values.seeds ?? '100', 'seeds'));
