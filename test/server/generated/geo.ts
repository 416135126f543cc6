/**
 * Generated commands on places, by row. `{a}geo` and `{a}geo2` hold nothing but places, each member's its own, so that no two are equally far; of what is no place Redis
 * answers what happens to be in its memory. `{a}far` takes stored distances.
 */
import fc from '../../harness/properties.js';
import { many, options, words, type Family, type Keys, type Words } from './words.js';

const homes: ReadonlyMap<string | Buffer, readonly string[]> = new Map<string | Buffer, readonly string[]>([
  ['Palermo', ['13.361389', '38.115556']],
  ['Catania', ['15.087269', '37.502669']],
  ['Quito', ['-78.467834', '-0.180653']],
  ['Suva', ['178.441895', '-18.141600']],
  ['Apia', ['-171.751', '-13.8333']],
  ['Alert', ['-62.348', '82.5018']],
  ['Edge', ['179.999999', '85.0511']],
  ['Corner', ['-180', '-85.05112878']],
  ['Sydney', ['151.20732', '-33.86785']],
  ['m\u00e9', ['13.5', '38.2']],
  ['', ['14.4', '37.1']],
  [Buffer.from([0x00, 0xff]), ['13.9', '37.6']],
  [Buffer.from([0xff, 0x80, 0x0d, 0x0a]), ['-60.5', '80.1']],
]);
const member = fc.constantFrom(...homes.keys());
const noMember = fc.constantFrom<string | Buffer>('Atlantis', Buffer.from([0]));
const home = member.map((name): Words => [...(homes.get(name) ?? []), name]);
const noPlace = fc.constantFrom<Words>(['181', '0'], ['200.0078125', '-1e22'], ['inf', '0'], ['0', '86'], ['x', '1'], ['1', 'nan']);
/** As far as places go, and beyond. */
const place = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom<Words>(['15', '37'], ['14.1', '37.9'], ['-77.9', '1e0'], ['179.2', '-16.3'], ['-61', '81'], ['0.3', '-0.7']),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.double({ min: -180, max: 180, noNaN: true }), fc.double({ min: -85, max: 85, noNaN: true }))
      .map(([x, y]): Words => [`${x}`, `${y}`]),
  },
  { weight: 1, arbitrary: fc.oneof(noPlace, fc.constant<Words>(['180', '-85.05112878'])) },
);
const unit = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('m', 'km', 'ft', 'mi', 'KM', 'Mi') },
  { weight: 1, arbitrary: fc.constantFrom('meter', '') },
);
const length = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('200', '150', '1000', '5000', '20000', '0.5', '300000', '5e6', '3e7', '0', '1e-3', 'inf') },
  { weight: 1, arbitrary: fc.constantFrom('-1', 'x', '', 'nan') },
);
const count = words('COUNT', fc.constantFrom('1', '2', '5', '100', '9223372036854775807', '0', '-1', 'x', '9223372036854775808'));
const shown = options(
  5,
  'WITHCOORD',
  'WITHDIST',
  'WITHHASH',
  count,
  fc.constantFrom<Words>(['COUNT', '3', 'ANY'], ['any', 'count', '2']),
  'ASC',
  'DESC',
);
const wrong = options(
  1,
  'WRONG',
  'ANY',
  'COUNT',
  'STORE',
  'STOREDIST',
  words('STORE', '{a}geo2'),
  words('BYRADIUS', length, unit),
  'FROMMEMBER',
);
const center = fc.oneof(words('FROMMEMBER', member), words('FROMLONLAT', place));
const area = fc.oneof(words('BYRADIUS', length, unit), words('BYBOX', length, length, unit));
const ordered = options(2, count, words('COUNT', '3', 'ANY'), 'ASC', 'DESC');
const storing = fc.oneof(words('STORE', '{a}geo2'), words('STOREDIST', '{a}far'));

export function geoFamily({ any }: Keys): Family {
  const geo = fc.constantFrom('{a}geo', '{a}geo', '{a}geo2');
  const add = words('GEOADD', geo, options(1, 'NX', 'XX', 'CH'), home, home, home, many(home, 6));
  const search = (key: fc.Arbitrary<string>, rest: fc.Arbitrary<Words>): fc.Arbitrary<Words> => words('GEOSEARCH', key, center, area, rest);
  const radius = (name: string): fc.Arbitrary<Words> => words(name, geo, place, length, unit, shown);
  const byMember = (name: string): fc.Arbitrary<Words> =>
    words(name, geo, fc.oneof({ weight: 8, arbitrary: member }, { weight: 1, arbitrary: noMember }), length, unit, shown);
  const notThere = words('FROMMEMBER', noMember);
  return {
    geoadd: fc.oneof(
      { weight: 6, arbitrary: add },
      { weight: 1, arbitrary: words('GEOADD', geo, options(3, 'NX', 'XX', 'CH', 'WRONG'), noPlace, member, options(1, home, 'WRONG')) },
      { weight: 1, arbitrary: words('GEOADD', any, options(2, 'NX', 'XX', 'CH'), home) },
    ),
    geopos: fc.oneof(words('GEOPOS', geo, many(fc.oneof(member, noMember), 5)), words('GEOPOS', any, many(noMember, 2))),
    geohash: fc.oneof(words('GEOHASH', geo, many(fc.oneof(member, noMember), 5)), words('GEOHASH', any, many(noMember, 2))),
    geodist: fc.oneof(
      words(
        'GEODIST',
        geo,
        member,
        member,
        options(
          1,
          unit.map((text): Words => [text]),
        ),
      ),
      words(
        'GEODIST',
        any,
        noMember,
        member,
        options(
          2,
          unit.map((text): Words => [text]),
        ),
      ),
    ),
    geosearch: fc.oneof(
      { weight: 6, arbitrary: search(geo, shown) },
      {
        weight: 2,
        arbitrary: search(
          geo,
          fc.tuple(shown, wrong).map((list) => list.flat()),
        ),
      },
      { weight: 1, arbitrary: words('GEOSEARCH', any, fc.oneof(notThere, words('FROMLONLAT', place)), area, shown) },
      {
        weight: 1,
        arbitrary: words(
          'GEOSEARCH',
          geo,
          fc.oneof(notThere, area, center),
          fc.oneof(notThere, area, center),
          options(2, center, area),
          shown,
        ),
      },
    ),
    geosearchstore: fc.oneof(
      { weight: 4, arbitrary: words('GEOSEARCHSTORE', '{a}geo2', geo, center, area, ordered) },
      { weight: 2, arbitrary: words('GEOSEARCHSTORE', '{a}far', geo, center, area, 'STOREDIST', ordered) },
      { weight: 2, arbitrary: words('ZRANGE', '{a}far', '0', '-1', 'WITHSCORES') },
      { weight: 1, arbitrary: words('GEOSEARCHSTORE', '{a}geo2', geo, center, area, shown) },
      { weight: 1, arbitrary: words('GEOSEARCHSTORE', '{a}geo2', '{a}none', center, area, wrong) },
    ),
    georadius: fc.oneof(
      radius('GEORADIUS'),
      words('GEORADIUS', geo, place, length, unit, ordered, storing),
      words('GEORADIUS', any, place, length, unit, options(1, 'WRONG', 'ANY', 'COUNT')),
    ),
    georadius_ro: fc.oneof(radius('GEORADIUS_RO'), words('GEORADIUS_RO', geo, place, length, unit, ordered, storing)),
    georadiusbymember: fc.oneof(
      byMember('GEORADIUSBYMEMBER'),
      words('GEORADIUSBYMEMBER', geo, member, length, unit, ordered, storing),
      words('GEORADIUSBYMEMBER', any, noMember, length, unit, options(1, 'WRONG', 'ANY', 'COUNT')),
    ),
    georadiusbymember_ro: fc.oneof(byMember('GEORADIUSBYMEMBER_RO'), words('GEORADIUSBYMEMBER_RO', any, noMember, length, unit, ordered)),
  };
}
