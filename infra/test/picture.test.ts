/** docs/deployment.md shows the templates as they are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { change, sources, synthesized } from './deployment.js';
import { only } from '../assembly.js';
import { picture } from '../picture.js';

test('the picture of the deployment is that of these templates, and changes with them', (t) => {
  const deployment = synthesized();
  t.is(
    readFileSync(join(sources, 'docs/deployment.md'), 'utf8'),
    picture(deployment),
    'npm run infra:synth -- --picture docs/deployment.md',
  );
  change(only(deployment.resources.TorcNetwork, 'AWS::EC2::VPC').properties, ['CidrBlock'], '10.9.0.0/16');
  t.regex(picture(deployment), /VPC 10\.9\.0\.0\/16/);
});
