/**
 * What a load client sent and was told, and what every reply must therefore be. The judge of load-client.ts; it knows no sockets.
 *
 * Counters are raised by one from any connection. Registers hold numbers; each has one writer, which writes 1, 2, 3, ... in order.
 * So a reply can be judged by two numbers, taken when the command was sent and when its reply came:
 *
 *   INCR  acknowledged at sending  <  reply  <=  sent and not refused at the reply
 *   GET   acknowledged at sending  <=  value  <=  the last one sent at the reply, and not a refused one
 *
 * Invariant: a write is, once and for ever, acknowledged, refused (an error that promises that nothing ran) or of unknown outcome;
 * an unknown one may show or not. One that shows only after a later write of its register was acknowledged is *late*: an
 * overtaken command, which a linearizable store may show to a client that lost its connection, but not to one that kept it.
 */

export const opKind = { incr: 0, set: 1, get: 2 } as const;

/** Error codes that promise that nothing was executed. Every other error of a write leaves its outcome unknown. */
const refusals: ReadonlySet<string> = new Set(['NOREPLICAS', 'LOADING', 'READONLY', 'NOAUTH', 'WRONGTYPE', 'CLUSTERDOWN', 'MOVED']);

/** How many findings are kept in words; all are counted. */
const findingsMax = 20;

export class LoadLedger {
  /** Writes acknowledged on each counter. */
  readonly incrAcked: Float64Array;
  /** Writes sent to each counter and not refused. */
  readonly incrSent: Float64Array;
  /** The latest acknowledged value of each register; 0 before the first. */
  readonly setAcked: Float64Array;
  /** The latest value sent to each register. */
  readonly setSent: Float64Array;
  readonly errors: Record<string, number> = {};
  readonly findings: string[] = [];
  violations = 0;
  late = 0;
  acknowledged = 0;
  unknown = 0;
  readonly #refused = new Map<number, Set<number>>();
  readonly #unknown = new Map<number, Set<number>>();

  constructor(
    readonly prefix: string,
    readonly counters: number,
    readonly registers: number,
    private readonly valueBytes: number,
  ) {
    this.incrAcked = new Float64Array(counters);
    this.incrSent = new Float64Array(counters);
    this.setAcked = new Float64Array(registers);
    this.setSent = new Float64Array(registers);
  }

  counterKey(index: number): string {
    return `${this.prefix}c${index}`;
  }

  registerKey(index: number): string {
    return `${this.prefix}r${index}`;
  }

  /** A register's value carries its register, so that one key's value under another is found out too. */
  valueOf(register: number, value: number): string {
    return `${register}:${value}:`.padEnd(this.valueBytes, 'x');
  }

  /** A command is about to be sent; returns what its reply is judged by: the floor, or the value of a SET. */
  sent(kind: number, key: number): number {
    if (kind === opKind.incr) {
      this.incrSent[key] = at(this.incrSent, key) + 1;
      return at(this.incrAcked, key);
    }
    if (kind === opKind.get) return at(this.setAcked, key);
    const value = at(this.setSent, key) + 1;
    this.setSent[key] = value;
    return value;
  }

  incrReplied(key: number, floor: number, text: string): void {
    const reply = Number(text);
    this.incrAcked[key] = at(this.incrAcked, key) + 1;
    this.acknowledged++;
    if (!(reply > floor)) this.#violation(`INCR ${this.counterKey(key)} answered ${text} after ${floor} were acknowledged`);
    else if (reply > at(this.incrSent, key))
      this.#violation(`INCR ${this.counterKey(key)} answered ${text}, more than the ${this.incrSent[key]} sent`);
  }

  setReplied(key: number, value: number): void {
    if (value > at(this.setAcked, key)) this.setAcked[key] = value;
    this.acknowledged++;
  }

  /** A GET's answer, `text` undefined for null. */
  getReplied(key: number, floor: number, text: string | undefined): void {
    this.acknowledged++;
    this.#judgeRegister('GET', key, floor, text);
  }

  /** An error reply to a command. */
  failed(kind: number, key: number, value: number, message: string): void {
    const code = message.split(' ', 1)[0] ?? '';
    this.errors[code] = (this.errors[code] ?? 0) + 1;
    if (kind === opKind.get) return;
    if (!refusals.has(code)) return this.outcomeUnknown(kind, key, value);
    if (kind === opKind.incr) this.incrSent[key] = at(this.incrSent, key) - 1;
    else remember(this.#refused, key, value);
  }

  /** A command's reply will never come, or says that nobody knows. */
  outcomeUnknown(kind: number, key: number, value: number): void {
    this.unknown++;
    if (kind === opKind.set) remember(this.#unknown, key, value);
  }

  /** A reply of a kind that the command never has. */
  malformed(kind: number, key: number, what: string): void {
    const name = kind === opKind.incr ? this.counterKey(key) : this.registerKey(key);
    this.#violation(`${name}: ${what}`);
  }

  /** Judges what a counter reads after the run, undefined for null. */
  judgeCounter(key: number, text: string | undefined): void {
    const value = text === undefined ? 0 : Number(text);
    if (!(value >= at(this.incrAcked, key) && value <= at(this.incrSent, key))) {
      const bounds = `${this.incrAcked[key]} acknowledged, ${this.incrSent[key]} sent`;
      this.#violation(`${this.counterKey(key)} reads ${text ?? 'null'} at the end: ${bounds}`);
    }
  }

  /** Judges what a register reads after the run, undefined for null. */
  judgeRegister(key: number, text: string | undefined): void {
    this.#judgeRegister('at the end, GET', key, at(this.setAcked, key), text);
  }

  #judgeRegister(when: string, key: number, floor: number, text: string | undefined): void {
    let value = 0;
    if (text !== undefined) {
      value = Number(text.slice(text.indexOf(':') + 1, text.lastIndexOf(':')));
      if (!(value > 0 && value <= at(this.setSent, key)) || text !== this.valueOf(key, value)) {
        return this.#violation(`${when} ${this.registerKey(key)} answered '${text.slice(0, 80)}', which was never written`);
      }
      if (this.#refused.get(key)?.has(value)) {
        return this.#violation(`${when} ${this.registerKey(key)} answered ${value}, whose SET was refused`);
      }
    }
    if (value >= floor) return;
    const finding = `${when} ${this.registerKey(key)} answered ${text === undefined ? 'null' : value} after ${floor} was acknowledged`;
    if (this.#unknown.get(key)?.has(value)) {
      this.late++;
      this.#note(`late: ${finding} (the outcome of ${value} was unknown)`);
    } else this.#violation(finding);
  }

  #violation(finding: string): void {
    this.violations++;
    this.#note(finding);
  }

  #note(finding: string): void {
    if (this.findings.length < findingsMax) this.findings.push(finding);
  }
}

function at(array: Float64Array, index: number): number {
  return array[index] ?? NaN;
}

function remember(map: Map<number, Set<number>>, key: number, value: number): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, new Set([value]));
  else values.add(value);
}
