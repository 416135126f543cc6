/** Inputs that are nearly right: samples of what is valid, cut, spliced, and changed in few places, with numbers near the edges of their widths; and now and then plain noise. */
import type { SeededRandom } from '../simulation/random.js';

const edges = [0, 1, 2, 7, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xc3, 0xfe, 0xff] as const;
const wideEdges = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff, 0x10000, 1 << 30] as const;
const lengthMax = 8192;

type Mutation = (bytes: Buffer, random: SeededRandom, others: readonly Buffer[]) => Buffer;

const at = (bytes: Buffer, random: SeededRandom): number => random.integer(bytes.length + 1);

const mutations: readonly Mutation[] = [
  (bytes, random) => {
    if (bytes.length > 0) bytes[random.integer(bytes.length)]! ^= 1 << random.integer(8);
    return bytes;
  },
  (bytes, random) => {
    if (bytes.length > 0) bytes[random.integer(bytes.length)] = random.pick(edges);
    return bytes;
  },
  (bytes, random) => {
    if (bytes.length < 4) return bytes;
    const place = random.integer(bytes.length - 3);
    if (random.chance(0.5)) bytes.writeUInt32BE(random.pick(wideEdges), place);
    else bytes.writeUInt32LE(random.pick(wideEdges), place);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, at(bytes, random)),
  (bytes, random) => bytes.subarray(at(bytes, random)),
  (bytes, random) => {
    const place = at(bytes, random);
    return Buffer.concat([bytes.subarray(0, place), random.bytes(1 + random.integer(8)), bytes.subarray(place)]);
  },
  (bytes, random) => {
    const [from, to] = [at(bytes, random), at(bytes, random)].sort((x, y) => x - y) as [number, number];
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
  },
  (bytes, random) => {
    const [from, to] = [at(bytes, random), at(bytes, random)].sort((x, y) => x - y) as [number, number];
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  (bytes, random, others) => {
    const other = random.pick(others);
    return Buffer.concat([bytes.subarray(0, at(bytes, random)), other.subarray(at(other, random))]);
  },
];

/** Owned by the caller. */
export function mutated(samples: readonly Buffer[], random: SeededRandom): Buffer {
  if (random.chance(0.02)) return random.bytes(random.integer(64));
  let bytes: Buffer = Buffer.from(random.pick(samples));
  for (let left = random.integer(5); left > 0; left--) bytes = random.pick(mutations)(bytes, random, samples);
  return Buffer.from(bytes.subarray(0, lengthMax));
}
