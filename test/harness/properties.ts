/**
 * fast-check, with the same seed in each run: what runs for every change says the same of the same tree. Other cases are looked for apart:
 *
 *   TORC_PROPERTY_SEED=random npx ava 'dist/test/storage/*.test.js'      another seed each time; what fails prints its own
 *   TORC_PROPERTY_SEED=-477552217 npx ava ...                            that one again
 */
import fc from 'fast-check';

const seed = process.env['TORC_PROPERTY_SEED'] ?? '1';
if (seed !== 'random') {
  if (!/^-?\d+$/.test(seed)) throw new Error(`TORC_PROPERTY_SEED is an integer or 'random', not '${seed}'`);
  fc.configureGlobal({ seed: Number(seed) });
}

export default fc;
