import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ConfigurationError } from '../../../server/config/configuration-file.js';
import { environmentSettings, environmentWarnings } from '../../../server/config/environment.js';
import { loadConfiguration, resolveConfiguration, warningsOf } from '../../../server/config/load-configuration.js';

test('the file gives way to the environment, and that to the command line', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'torc-environment-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'torc.conf');
  writeFileSync(file, 'zone a\nhost a\ncluster-name a\nlogfile somewhere\n');
  const configuration = loadConfiguration({
    file,
    environment: { TORC_HOST: 'b', TORC_CLUSTER_NAME: 'b', TORC_LOGFILE: '' },
    overrides: [{ name: 'cluster-name', value: 'c', place: '' }],
  });
  t.like(configuration, { zone: 'a', host: 'b', clusterName: 'c', logFile: '' });
});

test('an error says which variable it is about', (t) => {
  t.throws(() => loadConfiguration({ environment: { TORC_REPLICAS: 'three' }, overrides: [] }), {
    instanceOf: ConfigurationError,
    message: "environment TORC_REPLICAS: replicas 'three' is not allowed: it takes an integer from 1 to 9",
  });
});

test('what Kubernetes says of a service named torc is passed over, other variables with a warning', (t) => {
  const links = {
    TORC_PORT: 'tcp://10.0.0.1:6379',
    TORC_PORT_6379_TCP_ADDR: '10.0.0.1',
    TORC_SERVICE_HOST: '10.0.0.1',
    TORC_PEERS_SERVICE_PORT_HTTP: '8379',
    TORC_PEERS_PORT: 'tcp://10.0.0.2:16379',
  };
  t.deepEqual(environmentSettings(links), []);
  t.deepEqual(environmentWarnings({ ...links, PATH: '/bin', TORC_ZONE: 'a' }), []);
  t.deepEqual(environmentWarnings({ TORC_CACHE_SISE: '1gb' }), [
    'environment variable TORC_CACHE_SISE names no directive; the nearest is TORC_CACHE_SIZE',
  ]);
});

test('quorums that do not meet are allowed, and warned of', (t) => {
  const given = (values: Record<string, string>) =>
    warningsOf(resolveConfiguration(Object.entries(values).map(([name, value]) => ({ name, value, place: '' }))));
  t.deepEqual(given({}), []);
  t.deepEqual(given({ 'read-quorum': '1', 'write-quorum': '2' }), [
    'write-quorum 2 and read-quorum 1 together are not more than replicas 3: a read may miss what was acknowledged before it',
  ]);
  t.regex(given({ 'hint-max-bytes': '0' }).join(), /nothing is kept for a node/);
  t.regex(given({ 'initial-nodes': '3' }).join(), /initial-nodes 3 without seeds/);
});
