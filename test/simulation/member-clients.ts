/**
 * What clients of a simulated cluster do with what is checked as a set: sets, members of sorted sets, bits of bitmaps, entries of streams, elements of HyperLogLogs.
 * Each member is added by one command only. A sorted set's member has the number in its name for its score, and is never seen with another.
 */
import type { Reply } from '../../protocol/resp/reply.js';
import { decodeScore } from '../../storage/score-value.js';
import { farAheadMs, loggedIn, membersOf, numberOf, textOrNull, withOutput, type Asked } from './asked.js';
import type { History } from './history.js';
import type { SeededRandom } from './random.js';
import type { SetInput, SetOutput } from './set-checker.js';
import { elementsIn, standsAlone } from './sketches.js';

export type MemberWorkload = 'set' | 'rank' | 'bitmap' | 'log' | 'sketch';

interface Known {
  readonly member: string;
  /** Of a stream's entry. */
  readonly id: string;
}

/** Which of those that were added are looked at, or removed. */
const knownMost = 8;

const digits = (text: string | number): string => String(text).padStart(20, '0');
/** As text that sorts as they do. */
const rankOfId = (id: string): string => id.split('-').map(digits).join('-');
const scoreOfMember = (member: string): number => Number(member.slice(1));

/** The member. Throws where its score is not the one that it was added with. */
function scored(member: string, score: number): string {
  if (score !== scoreOfMember(member)) throw new Error(`${member} has the score ${score}`);
  return member;
}

/** The members of ZRANGE WITHSCORES, in either protocol, whose scores have to grow. */
function rankedIn(reply: Reply): string[] {
  const flat = (Array.isArray(reply) ? (reply as readonly Reply[]) : []).flatMap((each) =>
    Array.isArray(each) ? (each as readonly Reply[]) : [each],
  );
  const members = flat
    .filter((_, at) => at % 2 === 0)
    .map((each, at) => scored(textOrNull(each) ?? '?', numberOf(flat[2 * at + 1] ?? null)));
  if (members.some((member, at) => at > 0 && scoreOfMember(member) <= scoreOfMember(members[at - 1] ?? '')))
    throw new Error(`a sorted set is not in order: ${members.join(' ')}`);
  return members;
}

/** What is finally in a sorted set. */
export const finallyRanked = (pairs: readonly (readonly [member: string, value: string])[]): string =>
  pairs.map(([member, value]) => `${scored(member, decodeScore(Buffer.from(value, 'latin1')))};`).join('');

/** The offsets of the bits that are 1. */
export function bitsIn(bytes: Buffer | null): string[] {
  return [...(bytes ?? [])].flatMap((byte, at) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte & (0x80 >> bit)) !== 0).map((bit) => String(8 * at + bit)),
  );
}

export class MemberClients {
  #serial = 0;
  #reads = 0;
  /** The last that were added, by key. */
  readonly #known = new Map<string, readonly Known[]>();

  /** How many bits of each bitmap have been set. */
  readonly #bits = new Map<string, number>();

  /** Elements of each HyperLogLog, whatever became of their PFADDs. */
  readonly #sketched = new Map<string, readonly string[]>();

  constructor(private readonly sets: History<SetInput, SetOutput>) {}

  change(workload: MemberWorkload, client: string, name: string, random: SeededRandom, order: string | undefined): Asked {
    const asked = (words: readonly string[], input: SetInput, outputOf: (reply: Reply) => SetOutput = () => null): Asked => {
      return { words, ending: withOutput(this.sets.invoke(client, name, input, order), outputOf) };
    };
    if (workload === 'set') return this.#changeSet(name, random, asked);
    if (workload === 'rank') return this.#changeRank(name, random, asked);
    if (workload === 'bitmap') return this.#changeBitmap(name, random, asked);
    if (workload === 'log') return this.#changeLog(client, name, random, order, asked);
    return this.#changeSketch(name, random, asked);
  }

  /** All of it, or whether one member is there, or how many are. Undefined: the name is none of these. */
  read(client: string, name: string, order: string): Asked | undefined {
    const [workload] = /^(set|rank|bitmap|log|sketch)(?=\d)/.exec(name) ?? [];
    if (workload === undefined) return undefined;
    const asked = (words: readonly string[], input: SetInput, outputOf: (reply: Reply) => SetOutput): Asked => {
      return { words, ending: withOutput(this.sets.invoke(client, name, input, order), outputOf) };
    };
    if (workload === 'sketch') {
      const shown = (reply: Reply): string[] => elementsIn(Buffer.isBuffer(reply) ? reply : null, this.#sketched.get(name) ?? []);
      return asked(['GET', name], { kind: 'read' }, shown);
    }
    const known = this.#knownOf(name);
    const turn = this.#reads++;
    const one = known[turn % (known.length + 1)];
    if (turn % 4 === 2 && one !== undefined) return asked(...lookAt(workload, name, one));
    if (turn % 4 === 3) return asked([countOf[workload] ?? '', name], { kind: 'count' }, Number);
    if (workload === 'rank') return asked(['ZRANGE', name, '0', '-1', 'WITHSCORES'], { kind: 'read' }, rankedIn);
    if (workload === 'bitmap') return asked(['GET', name], { kind: 'read' }, (reply) => bitsIn(Buffer.isBuffer(reply) ? reply : null));
    if (workload === 'log') return asked(['XRANGE', name, '-', '+'], { kind: 'read' }, loggedIn);
    return asked(['SMEMBERS', name], { kind: 'read' }, membersOf);
  }

  #changeSet(name: string, random: SeededRandom, asked: AskedFor): Asked {
    const known = this.#knownOf(name);
    const action = random.fraction();
    if (action < 0.2 && known.length > 0) {
      const { member } = random.pick(known);
      return asked(['SREM', name, member], { kind: 'remove', member });
    }
    if (action < 0.28) {
      const popped = (reply: Reply): string[] => (reply === null ? [] : [textOrNull(reply) ?? '?']);
      return asked(['SPOP', name], { kind: 'pop', from: 'anywhere' }, popped);
    }
    if (action < 0.33) return asked(['DEL', name], { kind: 'clear' });
    // Everything that is there, deleted and written again in one batch. It takes away nothing.
    if (action < 0.43) return asked(['SDIFFSTORE', name, name, `{${name}}none`], { kind: 'rewrite' });
    const member = `m${++this.#serial}`;
    this.#know(name, { member, id: '' });
    return asked(['SADD', name, member], { kind: 'add', member });
  }

  #changeRank(name: string, random: SeededRandom, asked: AskedFor): Asked {
    const known = this.#knownOf(name);
    const action = random.fraction();
    if (action < 0.15 && known.length > 0) {
      const { member } = random.pick(known);
      return asked(['ZREM', name, member], { kind: 'remove', member });
    }
    if (action < 0.27) {
      const from = random.pick(['least', 'greatest'] as const);
      return asked([from === 'least' ? 'ZPOPMIN' : 'ZPOPMAX', name], { kind: 'pop', from }, rankedIn);
    }
    if (action < 0.31) return asked(['DEL', name], { kind: 'clear' });
    if (action < 0.37) return asked(['ZUNIONSTORE', name, '1', name], { kind: 'rewrite' });
    const [oldest] = known;
    if (action < 0.41 && oldest !== undefined) {
      const score = scoreOfMember(oldest.member);
      return asked(['ZREMRANGEBYSCORE', name, '-inf', `(${score}`], { kind: 'trim', below: digits(score) });
    }
    const serial = ++this.#serial;
    const member = `z${serial}`;
    this.#know(name, { member, id: '' });
    return asked(['ZADD', name, String(serial), member], { kind: 'add', member }, () => digits(serial));
  }

  #changeBitmap(name: string, random: SeededRandom, asked: AskedFor): Asked {
    const known = this.#knownOf(name);
    const action = random.fraction();
    if (action < 0.2 && known.length > 0) {
      const { member } = random.pick(known);
      return asked(['SETBIT', name, member, '0'], { kind: 'remove', member });
    }
    if (action < 0.23) return asked(['DEL', name], { kind: 'clear' });
    const offset = this.#bits.get(name) ?? 0;
    this.#bits.set(name, offset + 1);
    const member = String(offset);
    this.#know(name, { member, id: '' });
    return asked(['SETBIT', name, member, '1'], { kind: 'add', member });
  }

  /** Entries of unique values, by ids that the server chooses. Where one came back that was given before, its entry took the other's place, which is missing then. */
  #changeLog(client: string, name: string, random: SeededRandom, order: string | undefined, asked: AskedFor): Asked {
    const known = this.#knownOf(name);
    const action = random.fraction();
    if (action < 0.15 && known.length > 0) {
      const { id, member } = random.pick(known);
      return asked(['XDEL', name, id], { kind: 'remove', member });
    }
    const [oldest] = known;
    if (action < 0.2 && oldest !== undefined)
      return asked(['XTRIM', name, 'MINID', oldest.id], { kind: 'trim', below: rankOfId(oldest.id) });
    if (action < 0.24) {
      const id = `${farAheadMs}-${BigInt(++this.#serial) << 40n}`;
      const ending = this.sets.invoke(client, name, { kind: 'raise', to: rankOfId(id) }, order);
      // Below the last entry it is refused, and so it is where there is no stream.
      return {
        words: ['XSETID', name, id],
        ending: { ...ending, complete: (reply: Reply) => (reply === null ? ending.fail() : ending.complete(null)) },
      };
    }
    const member = `e${++this.#serial}`;
    const added = (reply: Reply): string => {
      const id = textOrNull(reply) ?? '?';
      this.#know(name, { member, id });
      return rankOfId(id);
    };
    const id = random.pick(['*', '*', `${farAheadMs}-*`]);
    return asked(['XADD', name, id, 'member', member], { kind: 'add', member }, added);
  }

  #changeSketch(name: string, random: SeededRandom, asked: AskedFor): Asked {
    // All registers are written again, as they were found.
    if (random.chance(0.15)) return asked(['PFMERGE', name], { kind: 'rewrite' });
    const sketched = this.#sketched.get(name) ?? [];
    let member = `h${++this.#serial}`;
    while (!standsAlone(member, sketched)) member = `h${++this.#serial}`;
    this.#sketched.set(name, [...sketched, member]);
    return asked(['PFADD', name, member], { kind: 'add', member });
  }

  #knownOf(name: string): readonly Known[] {
    return this.#known.get(name) ?? [];
  }

  #know(name: string, added: Known): void {
    this.#known.set(name, [...this.#knownOf(name), added].slice(-knownMost));
  }
}

type AskedFor = (words: readonly string[], input: SetInput, outputOf?: (reply: Reply) => SetOutput) => Asked;

const countOf: Readonly<Record<string, string>> = { set: 'SCARD', rank: 'ZCARD', bitmap: 'BITCOUNT', log: 'XLEN' };

function lookAt(
  workload: string,
  name: string,
  { member, id }: Known,
): readonly [words: readonly string[], input: SetInput, outputOf: (reply: Reply) => SetOutput] {
  const input = { kind: 'look', member } as const;
  if (workload === 'log') return [['XRANGE', name, id, id], input, loggedIn];
  if (workload === 'rank') return [['ZSCORE', name, member], input, (reply) => (reply === null ? [] : [scored(member, numberOf(reply))])];
  const isThere = (reply: Reply): string[] => (Number(reply) === 1 ? [member] : []);
  return [workload === 'set' ? ['SISMEMBER', name, member] : ['GETBIT', name, member], input, isThere];
}
