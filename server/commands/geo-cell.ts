/**
 * Cells of the earth: longitude and latitude halved `step` times each, the bits of both interleaved, latitude in the even ones. At step 26 that is a number of
 * 52 bits, a sorted set's score: places near each other have scores near each other, and a larger cell is a run of scores. Mercator's latitudes, as Redis has
 * them (geohash.c); GEOHASH alone shows what is usual elsewhere, of latitudes up to 90.
 *
 *   step 1      x 0      1          score, in bits: x y x y ...
 *   y 1    | 01... | 11... |
 *   y 0    | 00... | 10... |
 */

/** Degrees. */
export interface Place {
  readonly longitude: number;
  readonly latitude: number;
}

/** x and y are 0..2^step, as many only at the very edge; up to 2^32 - 1 where a score is no place. */
export interface Cell {
  readonly x: number;
  readonly y: number;
  readonly step: number;
}

/** Degrees. */
export interface CellBounds {
  readonly west: number;
  readonly east: number;
  readonly south: number;
  readonly north: number;
}

export const longitudeMost = 180;
export const latitudeMost = 85.05112878;
/** Of a score. */
export const stepMost = 26;

const standardLatitudeMost = 90;
const scoreBits = 2 * stepMost;
const alphabet = '0123456789bcdefghjkmnpqrstuvwxyz';

/** The place must lie within the longitudes and latitudes there are. */
export function cellAt({ longitude, latitude }: Place, step: number, northMost = latitudeMost): Cell {
  const cells = 2 ** step;
  const x = Math.trunc(((longitude + longitudeMost) / (2 * longitudeMost)) * cells);
  const y = Math.trunc(((latitude + northMost) / (northMost + northMost)) * cells);
  return { x, y, step };
}

export function boundsOf({ x, y, step }: Cell): CellBounds {
  const cells = 2 ** step;
  const longitudeAt = (column: number): number => -longitudeMost + (column / cells) * (2 * longitudeMost);
  const latitudeAt = (row: number): number => -latitudeMost + (row / cells) * (2 * latitudeMost);
  return { west: longitudeAt(x), east: longitudeAt((x + 1) >>> 0), south: latitudeAt(y), north: latitudeAt((y + 1) >>> 0) };
}

/** The cell so many to the east and north of it; beyond an edge begins the other one. */
export function neighbourOf({ x, y, step }: Cell, east: number, north: number): Cell {
  const cells = 2 ** step;
  const moved = (at: number, by: number): number => (by === 0 ? at : (at + by + cells) % cells);
  return { x: moved(x, east), y: moved(y, north), step };
}

/** Scores of places in the cell: from `least` to before `most`. */
export function scoresOf({ x, y, step }: Cell): { readonly least: number; readonly most: number } {
  const size = 2 ** (scoreBits - 2 * step);
  const number = interleaved(x, y);
  return { least: number * size, most: (number + 1) * size };
}

/** The place must lie within the longitudes and latitudes there are. */
export const scoreAt = (place: Place): number => scoresOf(cellAt(place, stepMost)).least;

/** The middle of a score's cell: where a member is shown. Of any score; one that is no place lies beyond the earth, where Redis sees it. */
export function placeOf(score: number): Place {
  const [high, low] = halvesOf(score);
  const x = gathered(low >>> 1) + gathered(high >>> 1) * 2 ** 16;
  const y = gathered(low) + gathered(high) * 2 ** 16;
  const { west, east, south, north } = boundsOf({ x, y, step: stepMost });
  return { longitude: (west + east) / 2, latitude: (south + north) / 2 };
}

/** The standard geohash, eleven characters of which the last is always 0: 52 bits are not more. */
export function geohashText(place: Place): string {
  const { x, y } = cellAt(place, stepMost, standardLatitudeMost);
  const number = interleaved(x, y);
  let text = '';
  for (let shift = scoreBits - 5; shift >= 0; shift -= 5) text += alphabet[Math.floor(number / 2 ** shift) % 32] ?? '';
  return `${text}0`;
}

const interleaved = (x: number, y: number): number =>
  ((spread(y) | (spread(x) << 1)) >>> 0) + ((spread(y >>> 16) | (spread(x >>> 16) << 1)) >>> 0) * 2 ** 32;

/** The lower 16 bits, each in an even place. */
function spread(bits: number): number {
  let spaced = bits & 0xffff;
  spaced = (spaced | (spaced << 8)) & 0x00ff00ff;
  spaced = (spaced | (spaced << 4)) & 0x0f0f0f0f;
  spaced = (spaced | (spaced << 2)) & 0x33333333;
  return (spaced | (spaced << 1)) & 0x55555555;
}

/** The bits in even places, together. */
function gathered(bits: number): number {
  let close = bits & 0x55555555;
  close = (close | (close >>> 1)) & 0x33333333;
  close = (close | (close >>> 2)) & 0x0f0f0f0f;
  close = (close | (close >>> 4)) & 0x00ff00ff;
  return (close | (close >>> 8)) & 0xffff;
}

const unsignedTop = 2n ** 63n;

/** The upper and the lower 32 bits. What is no unsigned 64-bit integer comes to what x86-64 makes of it, as in Redis. */
function halvesOf(score: number): readonly [high: number, low: number] {
  if (score >= 0 && score < Number.MAX_SAFE_INTEGER) {
    const whole = Math.floor(score);
    return [Math.floor(whole / 2 ** 32), whole >>> 0];
  }
  let bits = unsignedTop;
  if (score < 2 ** 63) {
    if (score >= -(2 ** 63)) bits = BigInt.asUintN(64, BigInt(Math.trunc(score)));
  } else bits = score < 2 ** 64 ? BigInt(score) : 0n;
  return [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
}
