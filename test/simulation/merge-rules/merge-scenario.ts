/**
 * Scenarios in the words of docs/merge-rules.md: what both sides of a partition write to one key, and what every node shows once they have met.
 *
 *   SET n 10                 before the partition
 *   A: INCRBY n 1 → 11       on the one side, and what it answers there
 *   B: INCRBY n 5 → 15       on the other
 *   10 s pass                for all scenarios at once: what stands above it is played before them in each, what stands below it after them
 *   all: GET n → 16          at every node once the sides have met
 *   then: INCR n → 17        at one of them, after that
 *
 * B's coordinator takes over after A's, so that of two values the latest is B's. All scenarios share one cluster and one partition of it, so that
 * together they cost one partition and one healing; each has keys of its own.
 */
import { ask } from '../scenario.js';
import { partedAfter, type Sides } from '../two-sides.js';

export interface MergeScenario {
  /** The row of docs/merge-rules.md, by its first cell. */
  readonly row: string;
  /** What happens, in words. */
  readonly title: string;
  /** Words of the steps that are keys. */
  readonly keys: readonly string[];
  readonly steps: readonly string[];
}

/** The one step without a command. */
export const tenSecondsPass = '10 s pass';

export interface Step {
  /** Who runs it; undefined before the partition. */
  readonly who: 'A' | 'B' | 'all' | 'then' | undefined;
  readonly command: string;
  /** Undefined: whatever it is, as long as it is no error. */
  readonly reply: string | undefined;
}

export function stepOf(line: string): Step {
  const [, who, command = '', reply] = /^(?:(A|B|all|then): )?(.*?)(?: → (.*))?$/.exec(line) ?? [];
  return { who: who as Step['who'], command, reply };
}

/** What came of scenarios that were played together. */
export interface Played {
  /** By scenario: its steps, each with the reply that it had where it says one. */
  readonly transcripts: ReadonlyMap<MergeScenario, readonly string[]>;
  /** Why replicas were not the same when the sides had met. */
  readonly fault: string | undefined;
}

const phases = ['before', 'parted', 'parted for long', 'met'] as const;

interface Placed extends Step {
  readonly phase: (typeof phases)[number];
  readonly words: readonly string[];
  /** Puts the reply into the transcript. */
  readonly answered: (reply: string) => void;
}

export async function playTogether(scenarios: readonly MergeScenario[]): Promise<Played> {
  const transcripts = new Map(scenarios.map((scenario) => [scenario, [...scenario.steps]]));
  const steps = [...transcripts].flatMap(([scenario, transcript], number) => placed(scenario, number, transcript));
  const of = (phase: Placed['phase']): Placed[] => steps.filter((step) => step.phase === phase);
  const sides = await partedAfter(
    of('before').map(({ words }) => words),
    ['DEL', `nobody${slotTag}`],
    [],
  );
  for (const step of of('parted')) step.answered(await run(sides, step));
  await sides.cluster.scheduler.runFor(10_000);
  for (const step of of('parted for long')) step.answered(await run(sides, step));
  const fault = await sides.joined();
  for (const step of of('met')) step.answered(await run(sides, step));
  return { transcripts, fault };
}

/** All keys are of one slot, so of one partition. */
const slotTag = '{sides}';

function placed({ keys, steps }: MergeScenario, number: number, transcript: string[]): Placed[] {
  const wait = steps.indexOf(tenSecondsPass);
  return steps.flatMap((line, at) => {
    if (at === wait) return [];
    const step = stepOf(line);
    const parted = wait >= 0 && at > wait ? 'parted for long' : 'parted';
    const phase = step.who === undefined ? 'before' : step.who === 'all' || step.who === 'then' ? 'met' : parted;
    const words = step.command.split(' ').map((word) => (keys.includes(word) ? `${word}${slotTag}${number}` : word));
    return [{ ...step, phase, words, answered: (reply: string) => void (transcript[at] = transcribed(line, step.reply, reply)) }];
  });
}

function transcribed(line: string, expected: string | undefined, reply: string): string {
  if (expected !== undefined) return `${line.slice(0, line.length - expected.length)}${reply}`;
  return /^[A-Z]{3,} /.test(reply) ? `${line} → ${reply}` : line;
}

async function run({ cluster, left, right }: Sides, { who, words }: Placed): Promise<string> {
  if (who === 'A') return shown(await left(...words));
  if (who === 'B') return shown(await right(...words));
  if (who === 'then') return shown(await ask(cluster, 'c', words));
  await cluster.scheduler.runFor(50); // R is 1: a node shows what it has
  const replies = new Set<string>();
  for (const name of cluster.nodes) replies.add(shown(await ask(cluster, name, words)));
  return [...replies].join(', or ');
}

/** A reply in plain words, arrays flat: `nil`, and `nothing` for an empty array. */
function shown(reply: string | null): string {
  const text = reply !== null && /^[[{]/.test(reply) ? flat(JSON.parse(reply)) : (reply ?? 'nil');
  return text.replaceAll(/\{sides\}\d+/g, '');
}

function flat(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'nothing' : value.map(flat).join(' ');
  if (typeof value === 'string') return value;
  if (value === null) return 'nil';
  if (typeof value !== 'object') return JSON.stringify(value);
  const { data, entries, members } = value as { data?: readonly number[]; entries?: unknown; members?: unknown };
  if (data !== undefined) return Buffer.from(data).toString();
  return flat(entries ?? members ?? Object.values(value));
}
