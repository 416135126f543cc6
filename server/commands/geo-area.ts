/**
 * Circles and boxes on the earth: which places lie in them, and which cells have to be looked through for those. A sphere of one radius, distances by the haversine
 * formula, and cells chosen as Redis chooses them (geohash_helper.c), its shortcuts near the poles included: what is found is the same.
 */
import {
  boundsOf,
  cellAt,
  latitudeMost,
  longitudeMost,
  neighbourOf,
  stepMost,
  type Cell,
  type CellBounds,
  type Place,
} from './geo-cell.js';

/** In the unit that was asked in, of which one is `unitMeters`. */
export type Extent = { readonly radius: number } | { readonly width: number; readonly height: number };

export interface Shape {
  readonly center: Place;
  readonly extent: Extent;
  readonly unitMeters: number;
}

const earthRadiusMeters = 6_372_797.560856;
const mercatorMostMeters = 20_037_726.37;
const degree = Math.PI / 180;
/** From these latitudes on cells are narrow: larger ones are taken. */
const narrowLatitude = 66;
const narrowestLatitude = 80;

/** Meters along a meridian. */
function latitudeDistance(from: number, to: number): number {
  return earthRadiusMeters * Math.abs(to * degree - from * degree);
}

/** Meters. */
export function distanceBetween(from: Place, to: Place): number {
  const acrossSine = Math.sin((to.longitude * degree - from.longitude * degree) / 2);
  if (acrossSine === 0) return latitudeDistance(from.latitude, to.latitude);
  const [fromLatitude, toLatitude] = [from.latitude * degree, to.latitude * degree];
  const alongSine = Math.sin((toLatitude - fromLatitude) / 2);
  const haversine = alongSine * alongSine + Math.cos(fromLatitude) * Math.cos(toLatitude) * acrossSine * acrossSine;
  // Of opposite places it may be rounded to more than 1.
  return 2 * earthRadiusMeters * Math.asin(Math.sqrt(Math.min(1, haversine)));
}

/** Meters from the center; undefined when the place lies outside. */
export function distanceWithin({ center, extent, unitMeters }: Shape, place: Place): number | undefined {
  if ('radius' in extent) {
    const distance = distanceBetween(center, place);
    return distance > extent.radius * unitMeters ? undefined : distance;
  }
  if (latitudeDistance(place.latitude, center.latitude) > (extent.height * unitMeters) / 2) return undefined;
  const across = distanceBetween(place, { longitude: center.longitude, latitude: place.latitude });
  return across > (extent.width * unitMeters) / 2 ? undefined : distanceBetween(center, place);
}

/** How far a shape reaches. Degrees of longitude are shortest at the end that is nearer to a pole: there it reaches over most of them. */
function reachOf({ center: { longitude, latitude }, extent, unitMeters }: Shape): CellBounds {
  const height = unitMeters * ('radius' in extent ? extent.radius : extent.height / 2);
  const width = unitMeters * ('radius' in extent ? extent.radius : extent.width / 2);
  const along = height / earthRadiusMeters / degree;
  const end = latitude < 0 ? latitude - along : latitude + along;
  const across = width / earthRadiusMeters / Math.cos(end * degree) / degree;
  return { west: longitude - across, east: longitude + across, south: latitude - along, north: latitude + along };
}

/** So that a cell and its neighbours cover a circle. */
function stepFor(radiusMeters: number, latitude: number): number {
  if (radiusMeters === 0) return stepMost;
  let step = -1;
  for (let meters = radiusMeters; meters < mercatorMostMeters; meters *= 2) step++;
  const distance = Math.abs(latitude);
  if (distance > narrowLatitude) step--;
  if (distance > narrowestLatitude) step--;
  return Math.max(1, Math.min(stepMost, step));
}

/** The cells next to one do not reach as far as the shape does. */
function isTooSmall(cell: Cell, reach: CellBounds): boolean {
  return (
    boundsOf(neighbourOf(cell, 0, 1)).north < reach.north ||
    boundsOf(neighbourOf(cell, 0, -1)).south > reach.south ||
    boundsOf(neighbourOf(cell, 1, 0)).east < reach.east ||
    boundsOf(neighbourOf(cell, -1, 0)).west > reach.west
  );
}

const halfDiagonal = (width: number, height: number): number => Math.sqrt(width * width + height * height);

/** The center's cell, then its neighbours, each with its side. In Redis' order, which is the order of what ANY finds. */
const sides: readonly (readonly [east: number, north: number])[] = [
  [0, 0],
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
];

/** The cells in which all that lies in the shape is. */
export function cellsOf(shape: Shape): readonly Cell[] {
  const { center, extent, unitMeters } = shape;
  const reach = reachOf(shape);
  const radius = 'radius' in extent ? extent.radius : halfDiagonal(extent.width / 2, extent.height / 2);
  let middle = middleAt(center, stepFor(radius * unitMeters, center.latitude));
  if (middle.step > 1 && isTooSmall(middle, reach)) middle = middleAt(center, middle.step - 1);
  const own = boundsOf(middle);
  const isNeeded = (east: number, north: number): boolean =>
    middle.step < 2 ||
    !(
      (north < 0 && own.south < reach.south) ||
      (north > 0 && own.north > reach.north) ||
      (east < 0 && own.west < reach.west) ||
      (east > 0 && own.east > reach.east)
    );
  const cells: Cell[] = [];
  for (const [east, north] of sides) {
    if (!isNeeded(east, north)) continue;
    const cell = neighbourOf(middle, east, north);
    // Of few large cells the ones on both sides are the same. The first is left out of that, as in Redis: it is never its own neighbour.
    const last = cells.length > 1 ? cells.at(-1) : undefined;
    if (last === undefined || last.x !== cell.x || last.y !== cell.y) cells.push(cell);
  }
  return cells;
}

/** A member at the very edge is shown beyond it, by half a cell: it is looked for where it was put. Redis looks where its memory happens to say. */
function middleAt({ longitude, latitude }: Place, step: number): Cell {
  const within = (degrees: number, most: number): number => Math.max(-most, Math.min(most, degrees));
  return cellAt({ longitude: within(longitude, longitudeMost), latitude: within(latitude, latitudeMost) }, step);
}
