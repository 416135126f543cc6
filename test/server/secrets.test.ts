/** What others may see of a command: no password, wherever it stands. */
import test from 'ava';
import { withoutSecrets } from '../../server/secrets.js';

const shown = (line: string): string =>
  withoutSecrets(line.split(' ').map((word) => Buffer.from(word)))
    .map(String)
    .join(' ');

test('passwords and names of users are left out, and nothing else', (t) => {
  for (const [line, expected] of [
    ['AUTH hush', 'AUTH (redacted)'],
    ['auth alice hush', 'auth (redacted) (redacted)'],
    ['HELLO 3 AUTH alice hush SETNAME me', 'HELLO 3 AUTH (redacted) (redacted) SETNAME me'],
    ['HELLO 3 SETNAME me auth alice hush', 'HELLO 3 SETNAME me auth (redacted) (redacted)'],
    ['HELLO 3 SETNAME auth AUTH alice hush', 'HELLO 3 SETNAME auth AUTH (redacted) (redacted)'],
    ['HELLO 3 AUTH setname hush', 'HELLO 3 AUTH (redacted) (redacted)'],
    ['HELLO 3', 'HELLO 3'],
    ['ACL SETUSER alice on >hush', 'ACL SETUSER (redacted) (redacted) (redacted)'],
    ['CONFIG SET requirepass hush maxclients 10', 'CONFIG SET requirepass (redacted) maxclients 10'],
    ['config set maxclients 10 Cluster-Secret hush', 'config set maxclients 10 Cluster-Secret (redacted)'],
    ['CONFIG GET requirepass', 'CONFIG GET requirepass'],
    ['SET auth requirepass', 'SET auth requirepass'],
  ] as const)
    t.is(shown(line), expected);
});
