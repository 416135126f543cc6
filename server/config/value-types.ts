/**
 * The types a directive's value can have: how text becomes a value and a value becomes text again.
 *
 * Invariant: `parse(format(value))` is `value` for every value that `parse` has produced, so what CONFIG GET prints can be given back.
 * Syntax and refusals are those of Redis 7 (src/config.c, `memtoull` in src/util.c): memory units are 1k = 1000 and 1kb = 1024 bytes;
 * times are bare integers in the unit that the directive's documentation names.
 */

/** Why a text is not a value of the type, in the words Redis' CONFIG SET uses where Redis has them. */
export class Refusal {
  constructor(readonly reason: string) {}
}

export interface ValueType<T> {
  /** What may be written, as the end of "it takes ...". */
  readonly allowed: string;
  /** `before` is the value in force, for types of which a text may change a part. */
  parse(text: string, before?: T): T | Refusal;
  format(value: T): string;
}

const memoryUnits: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1000, kb: 1024, m: 1e6, mb: 1024 ** 2, g: 1e9, gb: 1024 ** 3 };

/** Bytes meant by `100`, `64kb`, `1GB`; undefined when the text is no memory size or too large to be exact. */
export function parseMemorySize(text: string): number | undefined {
  const match = /^(\d+)([a-z]*)$/i.exec(text);
  const unit = memoryUnits[match?.[2]?.toLowerCase() ?? 'none'];
  if (match === null || unit === undefined) return undefined;
  const bytes = Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function within(value: number, min: number, max: number): number | Refusal {
  return value >= min && value <= max ? value : new Refusal(`argument must be between ${min} and ${max} inclusive`);
}

export function integer(min: number, max: number, unit = ''): ValueType<number> {
  return {
    allowed: `an integer from ${min} to ${max}${unit && `, in ${unit}`}`,
    parse(text) {
      if (!/^-?\d{1,15}$/.test(text)) return new Refusal("argument couldn't be parsed into an integer");
      return within(Number(text), min, max);
    },
    format: String,
  };
}

export function decimal(min: number, max: number): ValueType<number> {
  return {
    allowed: `a number from ${min} to ${max}`,
    parse(text) {
      if (!/^-?\d{1,15}(\.\d{1,15})?$/.test(text)) return new Refusal("argument couldn't be parsed into a number");
      return within(Number(text), min, max);
    },
    format: String,
  };
}

/** A value in bytes; printed in bytes, as Redis does. */
export function memorySize(min: number): ValueType<number> {
  return {
    allowed: `a memory size of at least ${min} bytes, such as 1048576, 64kb, 512mb or 1gb`,
    parse(text) {
      const bytes = parseMemorySize(text);
      return bytes === undefined ? new Refusal('argument must be a memory value') : within(bytes, min, Number.MAX_SAFE_INTEGER);
    },
    format: String,
  };
}

/** The same, or 0 for nothing at all. */
export function memorySizeOrNone(min: number): ValueType<number> {
  const size = memorySize(min);
  return { ...size, allowed: `0, or ${size.allowed}`, parse: (text) => (parseMemorySize(text) === 0 ? 0 : size.parse(text)) };
}

export const portNumber = integer(1, 65535);
export const portNumberOrNone = integer(0, 65535);

/** A number of equal parts that 16384 slots can be divided into. */
export const slotDivision: ValueType<number> = {
  allowed: 'a power of two from 1 to 16384',
  parse(given) {
    const parts = /^\d{1,5}$/.test(given) ? Number(given) : 0;
    return parts >= 1 && 16384 % parts === 0 ? parts : new Refusal('argument must be a power of two from 1 to 16384');
  },
  format: String,
};

export const yesOrNo: ValueType<boolean> = {
  allowed: 'yes or no',
  parse(text) {
    const word = text.toLowerCase();
    return word === 'yes' || word === 'no' ? word === 'yes' : new Refusal("argument must be 'yes' or 'no'");
  },
  format: (value) => (value ? 'yes' : 'no'),
};

export function oneOf<const Word extends string>(...words: readonly Word[]): ValueType<Word> {
  return {
    allowed: words.length === 1 ? `only '${words[0]}'` : `one of ${words.join(', ')}`,
    parse(text) {
      const found = words.find((word) => word === text.toLowerCase());
      return found ?? new Refusal(`argument(s) must be one of the following: ${words.join(', ')}`);
    },
    format: (value) => value,
  };
}

/** A directive that exists for tools that ask for it, and whose one value says what Torc does. */
export function always(value: string, because: string): ValueType<string> {
  return {
    allowed: `only '${value}': ${because}`,
    parse: (text) => (text.toLowerCase() === value ? value : new Refusal(`argument must be '${value}': ${because}`)),
    format: String,
  };
}

/** A directive that is meant to take more than this one value some day. Until then another is refused: it would be ignored. */
export function onlyYet<T>(type: ValueType<T>, only: string, because: string): ValueType<T> {
  const accepted = `'${only}' until there is more: ${because}`;
  return {
    allowed: `only ${accepted}`,
    parse(given, before) {
      const value = type.parse(given, before);
      if (value instanceof Refusal) return value;
      const expected = type.parse(only);
      const isExpected = !(expected instanceof Refusal) && type.format(value) === type.format(expected);
      return isExpected ? value : new Refusal(`argument must be ${accepted}`);
    },
    format: (value) => type.format(value),
  };
}

/** Any text; never empty where `needed`. */
export function text(needed: 'needed' | 'may be empty'): ValueType<string> {
  return {
    allowed: needed === 'needed' ? 'a text that is not empty' : 'a text',
    parse: (given) => (needed === 'needed' && given === '' ? new Refusal("argument can't be empty") : given),
    format: String,
  };
}

/** Without user and password: what is in it is shown in the log. */
export const httpUrl: ValueType<string> = {
  allowed: 'a URL of http or https without user and password, such as http://collector:4318',
  parse(given) {
    const url = URL.canParse(given) ? new URL(given) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) return new Refusal('argument must be a URL of http or https');
    return url.username === '' && url.password === '' ? given : new Refusal('argument must be a URL without user and password');
  },
  format: String,
};

/** Empty, or so long that it cannot be guessed. */
export function secretText(lengthMin: number): ValueType<string> {
  return {
    allowed: `nothing, or a text of at least ${lengthMin} characters`,
    parse: (given) =>
      given === '' || given.length >= lengthMin ? given : new Refusal(`argument must have at least ${lengthMin} characters`),
    format: String,
  };
}

/** One line each, as often as one likes: a name and rules. What they mean is looked at when the node starts. */
export const userLines: ValueType<readonly string[]> = {
  allowed: 'a name and rules, such as alice on >secret ~app:* +@read',
  parse: (given, before) => (given.trim() === '' ? (before ?? []) : [...(before ?? []), Buffer.from(given.trim()).toString('latin1')]),
  format: (value) => value.map((line) => Buffer.from(line, 'latin1').toString()).join('\n'),
};

/** A name that goes into addresses, file names and `CLUSTER NODES` lines. */
export const label: ValueType<string> = {
  allowed: 'a name of 1 to 64 letters, digits, dots, underscores and hyphens that begins with a letter or digit',
  parse: (given) =>
    /^[a-z0-9][a-z0-9._-]{0,63}$/i.test(given) ? given : new Refusal('argument must be a name of letters, digits, ., _ and -'),
  format: String,
};

function words(given: string): string[] {
  return given.split(/[\s,]+/).filter((word) => word !== '');
}

/** Addresses or host names to listen on; `*` is every IPv4 address. */
export const bindAddresses: ValueType<readonly string[]> = {
  allowed: 'one or more addresses or host names, or * for every IPv4 address',
  parse(given) {
    const addresses = words(given).map((address) => (address === '*' ? '0.0.0.0' : address));
    const valid = addresses.length > 0 && addresses.every((address) => /^[a-z0-9:][a-z0-9:._%-]*$/i.test(address));
    return valid ? addresses : new Refusal('argument must be one or more addresses');
  },
  format: (value) => value.join(' '),
};

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[v6]:port`; undefined when it is neither. */
export function parsePeerAddress(given: string): PeerAddress | undefined {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^\s:[\]]+)):(\d{1,5})$/i.exec(given);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host !== undefined && port >= 1 && port <= 65535 ? { host, port } : undefined;
}

export function formatPeerAddress(address: PeerAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Numbers from 0 to 100; none is allowed. */
export const percentiles: ValueType<readonly number[]> = {
  allowed: 'nothing, or numbers from 0 to 100 separated by spaces',
  parse(given) {
    const numbers = words(given).map((word) => (/^\d{1,3}(\.\d{1,6})?$/.test(word) ? Number(word) : NaN));
    return numbers.every((number) => number <= 100) ? numbers : new Refusal('argument must be a list of percentiles, each from 0 to 100');
  },
  format: (value) => value.join(' '),
};

/** Seeds, separated by spaces or commas. */
export const peerAddresses: ValueType<readonly PeerAddress[]> = {
  allowed: 'nothing, or host:port of other nodes, with their peer ports (client port + 10000 by default), separated by spaces or commas',
  parse(given) {
    const addresses: PeerAddress[] = [];
    for (const word of words(given)) {
      const address = parsePeerAddress(word);
      if (address === undefined) return new Refusal(`'${word}' is not host:port`);
      addresses.push(address);
    }
    return addresses;
  },
  format: (value) => value.map(formatPeerAddress).join(' '),
};

/** 0 is "no limit", as in Redis. The connection is closed above `hardBytes`, or after `softSeconds` without a pause above `softBytes`. */
export interface OutputBufferLimit {
  readonly hardBytes: number;
  readonly softBytes: number;
  readonly softSeconds: number;
}

export interface OutputBufferLimits {
  readonly normal: OutputBufferLimit;
  readonly slave: OutputBufferLimit;
  readonly pubsub: OutputBufferLimit;
}

const noLimit: OutputBufferLimit = { hardBytes: 0, softBytes: 0, softSeconds: 0 };

/** Groups of `class hard soft seconds`; a class that is not named keeps its limit. */
export const outputBufferLimits: ValueType<OutputBufferLimits> = {
  allowed: 'groups of <normal|replica|pubsub> <hard limit> <soft limit> <soft seconds>, such as normal 1gb 256mb 60',
  parse(given, before) {
    const parts = words(given);
    if (parts.length === 0 || parts.length % 4 !== 0) return new Refusal('Wrong number of arguments in buffer limit configuration.');
    const limits = { normal: noLimit, slave: noLimit, pubsub: noLimit, ...before };
    for (let at = 0; at < parts.length; at += 4) {
      const [name = '', hard = '', soft = '', seconds = ''] = parts.slice(at, at + 4);
      const kind = name.toLowerCase() === 'replica' ? 'slave' : name.toLowerCase();
      if (kind !== 'normal' && kind !== 'slave' && kind !== 'pubsub') {
        return new Refusal('Invalid client class specified in buffer limit configuration.');
      }
      const hardBytes = parseMemorySize(hard);
      const softBytes = parseMemorySize(soft);
      if (hardBytes === undefined || softBytes === undefined || !/^\d{1,9}$/.test(seconds)) {
        return new Refusal('Error in hard, soft or soft_seconds setting in buffer limit configuration.');
      }
      limits[kind] = { hardBytes, softBytes, softSeconds: Number(seconds) };
    }
    return limits;
  },
  format: (value) =>
    (['normal', 'slave', 'pubsub'] as const)
      .map((kind) => `${kind} ${value[kind].hardBytes} ${value[kind].softBytes} ${value[kind].softSeconds}`)
      .join(' '),
};
