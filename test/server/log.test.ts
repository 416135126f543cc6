import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { createLog, setLogLevel } from '../../server/log.js';

test('lines of JSON with Redis level names, at the level in force, at once in the file', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'torc-log-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const logFile = join(directory, 'new', 'node1.log');
  const log = createLog({ logLevel: 'notice', logFile, nodeId: 'node1' });
  log.verbose('not logged');
  log.notice({ member: 2 }, 'joined');
  setLogLevel(log, 'debug');
  log.debug('now logged');
  setLogLevel(log, 'nothing');
  log.warning('not logged');
  const lines = readFileSync(logFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.is(lines.length, 2);
  t.like(lines[0], { level: 'notice', node: 'node1', member: 2, msg: 'joined' });
  t.like(lines[1], { level: 'debug', msg: 'now logged' });
  t.regex(String(lines[0]?.['time']), /^\d{4}-\d\d-\d\dT.*Z$/);
});

test('a file that cannot be opened is an error with a code, at once', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'torc-log-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  t.throws(() => createLog({ logLevel: 'notice', logFile: directory, nodeId: 'node1' }), { code: 'EISDIR' });
});
