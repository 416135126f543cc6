/**
 * The specification's sections 1 and 5 and what the deployment promises beyond them, line by line over the synthesized templates. Each line is also
 * broken in every way it names, and must be seen to be: a check that nothing can fail holds nothing.
 */
import test from 'ava';
import { clusterLines } from './cluster-lines.js';
import { synthesized } from './deployment.js';
import { networkLines } from './network-lines.js';
import { storeLines } from './store-lines.js';

const deployment = synthesized();

for (const [family, lines] of Object.entries({ network: networkLines, cluster: clusterLines, store: storeLines })) {
  for (const { line, holds, breaks } of lines) {
    test(`${family}: ${line}`, (t) => {
      t.notThrows(() => holds(structuredClone(deployment)));
      t.true(breaks.length > 0);
      for (const [index, broken] of breaks.entries()) {
        const copy = structuredClone(deployment);
        broken(copy);
        t.throws(() => holds(copy), undefined, `it still holds after break ${index + 1}`);
      }
    });
  }
}
