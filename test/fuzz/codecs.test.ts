/**
 * Everything that takes bytes from outside, fed with inputs that are nearly right (mutations.ts): each answers, or refuses with the error that its callers expect; none takes long, and nothing is kept.
 *
 * TORC_FUZZ_INPUTS (default 27000) is how many there are in all; 10000000 is the long run. TORC_FUZZ_SEED gives others.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { SeededRandom } from '../simulation/random.js';
import { mutated } from './mutations.js';
import { targets, type Target } from './targets.js';

const inputs = Number(process.env['TORC_FUZZ_INPUTS'] ?? 27_000);
const seed = process.env['TORC_FUZZ_SEED'] ?? '1';
/** Of the processor, for one input of at most 8 KiB: other processes do not count. */
const longestMs = 1000;
/** What may be held after all of them more than after the first tenth. */
const heldBytesMax = 16 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A collection leaves the memory of dead buffers to be given back later, and it counts until then, at the latest until the next collection begins: so there is one more until nothing shrinks. */
async function heldBytes(): Promise<number> {
  for (let before = Infinity; ;) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
    const { heapUsed, external } = process.memoryUsage();
    if (heapUsed + external >= before) return before;
    before = heapUsed + external;
  }
}

/** Why the input is a failure; undefined = it is none. */
function wrongWith({ feed, expects }: Pick<Target, 'feed' | 'expects'>, input: Buffer): string | undefined {
  const began = process.cpuUsage();
  try {
    feed(input);
  } catch (error) {
    if (!expects(error)) return `threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
  const tookMs = process.cpuUsage(began).user / 1000;
  return tookMs > longestMs ? `took ${Math.round(tookMs)} ms` : undefined;
}

for (const target of targets) {
  test.serial(`${target.name}: answered, or refused as expected`, async (t) => {
    const random = new SeededRandom(`${seed}/${target.name}`);
    for (const sample of target.samples) t.is(wrongWith(target, Buffer.from(sample)), undefined, sample.toString('hex'));
    const count = Math.ceil(inputs / targets.length);
    let heldAfterTenth = 0;
    let refused = 0;
    for (let i = 0; i < count; i++) {
      const input = mutated(target.samples, random);
      const shown = Buffer.from(input);
      const wrong = wrongWith({ ...target, expects: (error) => target.expects(error) && ++refused > 0 }, input);
      if (wrong !== undefined) return t.fail(`input ${i} of seed ${seed}, ${shown.toString('hex')}: ${wrong}`);
      if (i === Math.floor(count / 10)) heldAfterTenth = await heldBytes();
      if (i % 5000 === 4999) await new Promise((resolve) => setImmediate(resolve));
    }
    const held = (await heldBytes()) - heldAfterTenth;
    t.true(held < heldBytesMax, `${held} bytes are held`);
    t.log(`${count} inputs, ${refused} refused`);
  });
}

test.serial('what is kept counts as held, and what is dead does not', async (t) => {
  const begun = await heldBytes();
  const kept: Buffer[] = [];
  const make = (): Buffer[] => Array.from({ length: 2048 }, () => Buffer.alloc(16384));
  kept.push(...make());
  t.true((await heldBytes()) - begun > heldBytesMax);
  kept.length = 0;
  make();
  t.true((await heldBytes()) - begun < heldBytesMax);
});

test('a target that goes wrong is caught', (t) => {
  const planted: Target = {
    name: 'planted',
    samples: [Buffer.from('0123456789')],
    feed: (input) => {
      if (input.length > 4 && (input[3] ?? 0) >= 0x80) throw new TypeError('planted');
    },
    expects: (error) => error instanceof RangeError,
  };
  const random = new SeededRandom('planted');
  let caught = 0;
  for (let i = 0; i < 2000; i++) if (wrongWith(planted, mutated(planted.samples, random))?.includes('planted') === true) caught++;
  t.true(caught > 0);
});
