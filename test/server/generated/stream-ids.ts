/** Ids and counts for generated commands on streams: few, so that later ones find them. */
import fc from '../../harness/properties.js';

export const last = '18446744073709551615';
export const id = fc.constantFrom('1-1', '2', '2-1', '3-0', '5-5', '7-1', '9', '11-3', '20-1', '20-2', '31', '40-40', '55-1');
export const strange = fc.constantFrom(
  '0',
  '0-0',
  '0-1',
  'x',
  '',
  '1-',
  '-1',
  '01-1',
  '1-01',
  '1-1-1',
  '-',
  '+',
  `${last}-1`,
  `${last}0`,
  '1-x',
);
export const anyId = fc.oneof({ weight: 8, arbitrary: id }, { weight: 1, arbitrary: strange });
export const count = fc.constantFrom('1', '2', '3', '100', '0', '-1', 'x', '9223372036854775807');
