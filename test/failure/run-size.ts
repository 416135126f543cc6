/**
 * How large the failure tests are. `npm test` runs each fault once or twice, at a size that fits beside everything else;
 * TORC_FULL=1 runs the numbers that the claims are made of (1,000,000 operations under three kills, 20 kills of a lone node...):
 *
 *   npm run build && TORC_FULL=1 npx ava --timeout=15m --serial 'dist/test/failure/*.test.js'
 *   TORC_FULL=1 npx ava --config test/timing.config.mjs --timeout=15m 'dist/test/failure/*.timing.test.js'
 */
export const fullSize = process.env['TORC_FULL'] === '1';

/** `full` with TORC_FULL=1, else `usual`. */
export function sized(usual: number, full: number): number {
  return fullSize ? full : usual;
}
