/** A deployment synthesized for a test, and what a test may do to it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { at, deploymentIn, type Deployment, type Fields } from '../assembly.js';
import { checkedParameters } from '../parameters.js';
import { torcApp } from '../torc-app.js';

/** The root of the source tree, from dist/infra/test/. */
export const sources = fileURLToPath(new URL('../../../', import.meta.url));

/** Synthesizes with the parameters given. */
export function synthesized(given: Readonly<Record<string, unknown>> = {}): Deployment {
  const directory = mkdtempSync(join(tmpdir(), 'torc-infra-'));
  try {
    torcApp(checkedParameters(given), sources, directory).app.synth();
    return deploymentIn(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Changes what is at a path, in place; throws when there is nothing to change. */
export function change(value: unknown, path: readonly (string | number)[], to: unknown): void {
  const parent = at(value, ...path.slice(0, -1));
  const last = path.at(-1);
  if (typeof parent !== 'object' || parent === null || last === undefined || !(last in parent))
    throw new Error(`there is no ${path.join('.')}`);
  if (to === undefined) delete (parent as Fields)[last];
  else (parent as Fields)[last] = to;
}

/** A line of the specification: what must hold, and a change of the deployment after which it does not. */
export interface Line {
  readonly line: string;
  /** Throws when the line does not hold. */
  readonly holds: (deployment: Deployment) => void;
  /** Each breaks the line, in place. */
  readonly breaks: readonly ((deployment: Deployment) => void)[];
}
