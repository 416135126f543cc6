/** Manifests against Kubernetes' own schemas. That no field is unknown, their types hold; that no value is wrong, this does. */
import test from 'ava';
import * as apps from 'kubernetes-models/apps/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as storage from 'kubernetes-models/storage.k8s.io/v1';
import * as core from 'kubernetes-models/v1';
import { manifests } from '../manifests/all.js';
import { clientService, peerService } from '../manifests/services.js';
import { monitoring, type IServiceMonitor } from '../manifests/monitoring.js';
import { checkedParameters, ParameterError } from '../parameters.js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Kind = new (data: never) => { validate(): void };
const kinds: Readonly<Record<string, Kind>> = {
  StatefulSet: apps.StatefulSet,
  NetworkPolicy: networking.NetworkPolicy,
  PodDisruptionBudget: policy.PodDisruptionBudget,
  StorageClass: storage.StorageClass,
  Namespace: core.Namespace,
  ServiceAccount: core.ServiceAccount,
  ConfigMap: core.ConfigMap,
  Secret: core.Secret,
  Service: core.Service,
};

function validate(manifest: { readonly kind: string }): void {
  const Kind = kinds[manifest.kind];
  if (Kind === undefined) throw new Error(`no schema of ${manifest.kind}`);
  new Kind(manifest as never).validate();
}

const variants = {
  'by default': {},
  'thirty nodes, other names': { nodes: 30, namespace: 'prod', 'cluster-name': 'prod-1', durability: 'always', 'volume-gib': 16_384 },
  'a zone of its own': { zone: 'rack-7', image: 'registry.example/torc:1.2.3' },
};

for (const [name, given] of Object.entries(variants)) {
  test(`manifests are valid: ${name}`, (t) => {
    const all = Object.values(manifests(checkedParameters(given), 'torc:test')).flat();
    t.is(all.length, 10);
    for (const manifest of all) t.notThrows(() => validate(manifest), JSON.stringify(manifest));
    const names = all.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    t.is(new Set(names).size, names.length);
  });
}

test('the validation sees what is wrong', (t) => {
  const [set] = manifests(checkedParameters({}), 'torc:test').store;
  const wrong: readonly (readonly [string, (manifest: Record<string, unknown>) => void])[] = [
    [
      'a probe at a path that is a number',
      (one) =>
        void Object.assign(
          (one['spec'] as { template: { spec: { containers: [{ livenessProbe: object }] } } }).template.spec.containers[0].livenessProbe,
          { httpGet: { path: 7, port: 'http' } },
        ),
    ],
    ['replicas that are a word', (one) => void Object.assign(one['spec'] as object, { replicas: 'three' })],
    ['no selector', (one) => delete (one['spec'] as Record<string, unknown>)['selector']],
    ['labels that are numbers', (one) => void Object.assign(one['metadata'] as object, { labels: { app: 7 } })],
  ];
  for (const [what, break_] of wrong) {
    const copy = structuredClone(set) as unknown as Record<string, unknown> & { kind: string };
    break_(copy);
    t.throws(() => validate(copy), undefined, what);
  }
});

test('monitoring applies the alert rules and the dashboard that are kept there, and scrapes each pod once, ready or not', (t) => {
  const parameters = checkedParameters({ monitoring: 'yes' });
  const directory = new URL('../../../infra/observability', import.meta.url).pathname;
  const [monitor, ...others] = monitoring(parameters, directory) as [IServiceMonitor, ...{ kind: string; metadata: { name: string } }[]];
  t.deepEqual(
    others.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ['PrometheusRule torc-alerts', 'ConfigMap torc-torc-dashboard'],
  );
  const services = [peerService(parameters), clientService(parameters)].filter(({ metadata }) =>
    Object.entries(monitor.spec.selector.matchLabels).every(
      ([label, value]) => (metadata.labels as Record<string, string>)[label] === value,
    ),
  );
  t.deepEqual(
    services.map(({ metadata }) => metadata.name),
    ['torc-peers'],
  );
  t.true(peerService(parameters).spec.publishNotReadyAddresses);
  for (const { port, path } of monitor.spec.endpoints) {
    t.true(services.every(({ spec }) => spec.ports.some(({ name }) => name === port)));
    t.is(path, '/metrics');
  }
});

test('monitoring takes what infra/observability holds, and says so when that is nothing', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'torc-observability-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const parameters = checkedParameters({ monitoring: 'yes' });
  t.throws(() => monitoring(parameters, directory), { instanceOf: ParameterError, message: /no alert rules and dashboards/ });
  writeFileSync(join(directory, 'Alerts.yaml'), 'groups:\n  - name: torc\n    rules: []\n');
  writeFileSync(join(directory, 'torc_dashboard.json'), '{"title":"Torc"}');
  const [monitor, rules, dashboard] = monitoring(parameters, directory) as { kind: string; metadata: { name: string }; spec?: object }[];
  t.is(monitor?.kind, 'ServiceMonitor');
  t.like(rules, { kind: 'PrometheusRule', metadata: { name: 'torc-alerts' }, spec: { groups: [{ name: 'torc', rules: [] }] } });
  t.like(dashboard, { kind: 'ConfigMap', metadata: { name: 'torc-torc-dashboard' } });
  if (dashboard !== undefined) t.notThrows(() => validate(dashboard));
});
