/** Places at the edges of the map, where Redis answers what its memory holds by chance; and numbers of its documentation. */
import test from 'ava';
import { ErrorReply, type Reply } from '../../../protocol/resp/reply.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import { allRows } from '../../../server/commands/all.js';
import { fixedDecimal, humanDecimal } from '../../../server/commands/fixed-decimal.js';
import { cellsOf, distanceBetween } from '../../../server/commands/geo-area.js';
import { placeOf, scoreAt, scoresOf } from '../../../server/commands/geo-cell.js';
import { MemoryExecution } from './memory-execution.js';
import { shown } from './redis-oracle.js';

const lookup = new CommandLookup(allRows);

function ask(execution: MemoryExecution, line: string): string {
  const args = line.split(' ').map((word) => Buffer.from(word));
  const row = lookup.resolve(args);
  if (row instanceof ErrorReply || row.scope !== 'keys') throw new Error(line);
  const run = row.parse(args);
  const reply: Reply = run instanceof ErrorReply ? run : execution.execute(run);
  return shown(reply);
}

test("the numbers of Redis' documentation", (t) => {
  const execution = new MemoryExecution(0);
  t.is(ask(execution, 'GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania'), ':2');
  t.is(ask(execution, 'GEODIST Sicily Palermo Catania'), '$166274.1516');
  t.is(ask(execution, 'GEODIST Sicily Palermo Catania mi'), '$103.3182');
  t.is(ask(execution, 'GEOHASH Sicily Palermo Catania none'), '[$sqc8b49rny0, $sqdtr74hyu0, nil]');
  t.is(
    ask(execution, 'GEOPOS Sicily Palermo Catania none'),
    '[[$13.36138933897018433, $38.11555639549629859], [$15.08726745843887329, $37.50266842333162032], nil-array]',
  );
  t.is(ask(execution, 'GEORADIUS Sicily 15 37 200 km WITHDIST DESC'), '[[$Palermo, $190.4424], [$Catania, $56.4413]]');
});

test('a member at the very edge is found from itself, and from a center on the edge', (t) => {
  const execution = new MemoryExecution(0);
  ask(execution, 'GEOADD k 180 85.05112878 north-east -180 -85.05112878 south-west');
  t.is(ask(execution, 'GEOSEARCH k FROMMEMBER north-east BYRADIUS 10 m'), '[$north-east]');
  t.is(ask(execution, 'GEOSEARCH k FROMLONLAT 180 85.05112878 BYRADIUS 10 m'), '[$north-east]');
  t.is(ask(execution, 'GEOSEARCH k FROMMEMBER south-west BYBOX 10 10 m'), '[$south-west]');
});

test('places as far apart as can be are half the equator apart, and not NaN', (t) => {
  const half = Math.PI * 6_372_797.560856;
  for (let i = 0; i <= 1000; i++) {
    const latitude = -85 + (170 * i) / 1000;
    const distance = distanceBetween({ longitude: -90, latitude }, { longitude: 90, latitude: -latitude });
    t.true(Math.abs(distance - half) < 1, `${latitude}: ${distance}`);
  }
});

test('a score is a place within half a cell of where it was put, and lies in its cells of every size', (t) => {
  for (const place of [
    { longitude: 13.361389, latitude: 38.115556 },
    { longitude: -179.9, latitude: 85 },
    { longitude: 0, latitude: 0 },
    { longitude: 151.2, latitude: -33.8 },
  ]) {
    const score = scoreAt(place);
    const back = placeOf(score);
    t.true(Math.abs(back.longitude - place.longitude) <= 360 / 2 ** 27, 'longitude');
    t.true(Math.abs(back.latitude - place.latitude) <= 171 / 2 ** 27, 'latitude');
    for (const radius of [0, 1, 1000, 1e6, 2e7]) {
      const cells = cellsOf({ center: place, extent: { radius }, unitMeters: 1 });
      t.true(
        cells.some((cell) => scoresOf(cell).least <= score && score < scoresOf(cell).most),
        `${radius} m around ${place.longitude},${place.latitude}`,
      );
    }
  }
});

test('decimals round an exact half to the even digit, as C does', (t) => {
  t.is(fixedDecimal(200.0078125, 6), '200.007812');
  t.is(fixedDecimal(200.0234375, 6), '200.023438');
  t.is(fixedDecimal(-0.5 - 2 ** -18, 17), '-0.50000381469726562');
  t.is(fixedDecimal(-1e22, 2), '-10000000000000000000000.00');
  t.is(fixedDecimal(Infinity, 4), 'inf');
  t.is(humanDecimal(100), '100');
  t.is(humanDecimal(-0), '0');
  t.is(humanDecimal(0.1), '0.10000000000000001');
});
