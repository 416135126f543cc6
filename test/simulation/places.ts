/** Places on the earth that name numbers, so that one that is read tells which GEOADD wrote it: eastwards by number, and the latitude by number as well. */
import type { Place } from '../../server/commands/geo-cell.js';

const westMost = -179;
/** Many times what a score can tell apart. */
const apart = 0.02;
const numbers = 17_900;

/** Of the numbers below 17,900 each one has its own. */
export function placeNamed(number: number): Place {
  if (number >= numbers) throw new RangeError(`there is no place for ${number}`);
  return { longitude: westMost + number * apart, latitude: (number % 160) - 80 };
}

/** The register's value, `p` and the number. Throws where the place is none of those, such as half of one and half of another. */
export function valueAt({ longitude, latitude }: Place): string {
  const number = Math.round((longitude - westMost) / apart);
  const meant = placeNamed(number);
  if (Math.abs(meant.longitude - longitude) > apart / 10 || Math.abs(meant.latitude - latitude) > apart / 10)
    throw new Error(`${longitude} ${latitude} is no place that was given`);
  return `p${number}`;
}
