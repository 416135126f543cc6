import test from 'ava';
import fc from '../harness/properties.js';
import { heartbeat, phi, phiAccrual, phiOf } from '../../cluster/phi-accrual.js';

const options = { firstIntervalMs: 1000, intervalsMax: 100, deviationMinMs: 100 };

test('phi is -log10 of the normal upper tail', (t) => {
  // Deviations above the mean, and the table of the standard normal distribution there.
  const table = [
    [-1, 0.158655],
    [0, 0.5],
    [0.6, 0.725747],
    [1, 0.841345],
    [1.5, 0.933193],
    [2, 0.97725],
    [2.5, 0.99379],
    [3.5, 0.999767],
    [4, 0.9999683],
  ] as const;
  for (const [deviations, cumulative] of table) {
    const approximated = 1 - 10 ** -phiOf(1000 + deviations * 100, 1000, 100);
    t.true(Math.abs(approximated - cumulative) < 0.0002, `${deviations}: ${approximated}`);
  }
  t.true(Math.abs(phiOf(1000, 1000, 100) - Math.log10(2)) < 1e-12);
});

test('phi stays finite however long nothing comes, and never falls', (t) => {
  let state = phiAccrual(options);
  for (let second = 0; second < 10; second++) state = heartbeat(state, second * 1000);
  t.true(Number.isFinite(phi(state, 1e9)));
  fc.assert(
    fc.property(fc.double({ min: 9000, max: 1e6, noNaN: true }), fc.double({ min: 0, max: 1e6, noNaN: true }), (at, more) => {
      return phi(state, at + more) >= phi(state, at) - 1e-12;
    }),
  );
});

test('the first interval is taken to be the gossip interval give or take a quarter', (t) => {
  const unheard = phiAccrual(options);
  t.is(phi(unheard, 1e6), 0);
  const heard = heartbeat(unheard, 5000);
  t.is(phi(heard, 6000), phiOf(1000, 1000, 250));
  t.is(phi(heard, 6500), phiOf(1500, 1000, 250));
});

test('a regular peer is suspected by the floor of the deviation, an irregular one by its own', (t) => {
  const beats = (intervalsMs: readonly number[]) => {
    let nowMs = 0;
    return intervalsMs.reduce(
      (state, interval) => heartbeat(state, (nowMs += interval)),
      heartbeat(phiAccrual({ ...options, intervalsMax: 4 }), 0),
    );
  };
  const regular = beats([1000, 1000, 1000, 1000]);
  t.is(regular.deviationMs, 100);
  t.is(phi(regular, 4000 + 1600), phiOf(1600, 1000, 100));
  const irregular = beats([500, 1500, 500, 1500]);
  t.deepEqual([irregular.meanMs, irregular.deviationMs], [1000, 500]);
  t.true(phi(irregular, 4000 + 1600) < 1 && phi(regular, 4000 + 1600) > 8);
});

test('only the last intervals count, and a heartbeat that is not later changes nothing', (t) => {
  let state = phiAccrual({ ...options, intervalsMax: 3 });
  for (const at of [0, 10_000, 10_200, 10_400, 10_600]) state = heartbeat(state, at);
  t.deepEqual(state.intervalsMs, [200, 200, 200]);
  t.is(heartbeat(state, 10_600), state);
  t.is(heartbeat(state, 9000), state);
});
