/** A process of `npm run simulate`: runs each seed that it is sent and sends back what came of it. Ends with its parent. */
import { runOne } from './seed-run.js';

const canary = process.argv[2];

process.on('message', (seed: number) => {
  runOne(seed, canary).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => {
      console.error(`seed ${seed}:`, error);
      process.exitCode = 1;
      process.disconnect();
    },
  );
});
