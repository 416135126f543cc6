/**
 * `npm run infra:synth [-- --parameter value ...]`: writes the cloud assembly to infra/cdk.out. It takes no account, no credentials and no network;
 * deploying it does (docs/deploy.md). `--picture file` also draws what was synthesized.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deploymentIn } from './assembly.js';
import { ParameterError, parametersOf } from './parameters.js';
import { picture } from './picture.js';
import { torcApp } from './torc-app.js';

/** Compiled, this file is in dist/infra/. */
const sources = fileURLToPath(new URL('../../', import.meta.url));

try {
  const { parameters, output = join(sources, 'infra/cdk.out'), picture: file } = parametersOf(process.argv.slice(2));
  torcApp(parameters, sources, output).app.synth();
  if (file !== undefined) writeFileSync(file, picture(deploymentIn(output)));
} catch (error) {
  if (!(error instanceof ParameterError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
