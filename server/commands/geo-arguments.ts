/** Places, distances and units as clients write them. Error texts are Redis 7.2's (geo.c). */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { isToken } from './arguments.js';
import { notAFloat } from './errors.js';
import { fixedDecimal } from './fixed-decimal.js';
import type { Extent } from './geo-area.js';
import { latitudeMost, longitudeMost, type Place } from './geo-cell.js';
import { docsOf } from './row.js';
import { parseScore } from './score-arguments.js';

export const geoDocs = docsOf('geo');

const unknownUnit = new ErrorReply('ERR unsupported unit provided. please use M, KM, FT, MI');
const noRadius = new ErrorReply('ERR need numeric radius');
const negativeRadius = new ErrorReply('ERR radius cannot be negative');
const noWidth = new ErrorReply('ERR need numeric width');
const noHeight = new ErrorReply('ERR need numeric height');
const negativeSide = new ErrorReply('ERR height or width cannot be negative');

const units: readonly (readonly [token: string, meters: number])[] = [
  ['M', 1],
  ['KM', 1000],
  ['FT', 0.3048],
  ['MI', 1609.34],
];

/** Meters. */
export function parseUnit(argument: Buffer): number | ErrorReply {
  return units.find(([token]) => isToken(argument, token))?.[1] ?? unknownUnit;
}

export function parsePlace(longitudeText: Buffer, latitudeText: Buffer): Place | ErrorReply {
  const [longitude, latitude] = [parseScore(longitudeText), parseScore(latitudeText)];
  if (longitude === undefined || latitude === undefined) return notAFloat;
  if (Math.abs(longitude) <= longitudeMost && Math.abs(latitude) <= latitudeMost) return { longitude, latitude };
  return new ErrorReply(`ERR invalid longitude,latitude pair ${fixedDecimal(longitude, 6)},${fixedDecimal(latitude, 6)}`);
}

/** What is searched in: its size, and the unit in which distances are shown. */
export interface Reach {
  readonly extent: Extent;
  readonly unitMeters: number;
}

/** `radius unit` */
export function parseRadius(radiusText: Buffer, unit: Buffer): Reach | ErrorReply {
  const radius = parseScore(radiusText);
  if (radius === undefined) return noRadius;
  if (radius < 0) return negativeRadius;
  const unitMeters = parseUnit(unit);
  return unitMeters instanceof ErrorReply ? unitMeters : { extent: { radius }, unitMeters };
}

/** `width height unit` */
export function parseBox(widthText: Buffer, heightText: Buffer, unit: Buffer): Reach | ErrorReply {
  const [width, height] = [parseScore(widthText), parseScore(heightText)];
  if (width === undefined) return noWidth;
  if (height === undefined) return noHeight;
  if (width < 0 || height < 0) return negativeSide;
  const unitMeters = parseUnit(unit);
  return unitMeters instanceof ErrorReply ? unitMeters : { extent: { width, height }, unitMeters };
}
