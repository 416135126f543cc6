/** CONFIG REWRITE's text, whatever the values and whatever the file was: read again it comes to the same configuration. */
import test from 'ava';
import fc from '../../harness/properties.js';
import { parseConfigurationFile } from '../../../server/config/configuration-file.js';
import { directiveKeys, directiveOf } from '../../../server/config/directives.js';
import { resolveConfiguration } from '../../../server/config/load-configuration.js';
import { rewrittenConfiguration } from '../../../server/config/rewritten-configuration.js';

const lines = [
  '# comment',
  '',
  'port 7000',
  'seeds a:1 b:2',
  'port 7001',
  'requirepass "old one"',
  "logfile ''",
  '  maxclients 5',
  'client-output-buffer-limit pubsub 1mb 1mb 1',
];

test('what was rewritten is read as what was in force, and rewriting it again changes nothing', (t) => {
  fc.assert(
    fc.property(
      fc.subarray(lines, { minLength: 0 }),
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.integer({ min: 1, max: 99 }),
      (file, password, clients) => {
        const contents = file.join('\n');
        const settings = parseConfigurationFile(contents, 'f');
        const inForce = resolveConfiguration([
          ...settings,
          { name: 'requirepass', value: password, place: '' },
          { name: 'maxclients', value: String(clients), place: '' },
          { name: 'node-id', value: 'n1', place: '' },
        ]);
        const text = rewrittenConfiguration(contents, inForce);
        const again = resolveConfiguration(parseConfigurationFile(text, 'f'));
        for (const key of directiveKeys) {
          const { type } = directiveOf(key);
          t.is(type.format(again[key]), type.format(inForce[key]), `${key} in ${text}`);
        }
        t.is(rewrittenConfiguration(text, inForce), text);
        for (const line of file) if (line.startsWith('#')) t.true(text.includes(line));
      },
    ),
  );
});
