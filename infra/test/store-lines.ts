/** The specification's load balancer (2.3, 3.1, 3.2 and 5), and what the deployment promises of the pods behind it. */
import assert from 'node:assert/strict';
import { parseConfigurationFile } from '../../server/config/configuration-file.js';
import type { Configuration } from '../../server/config/directives.js';
import { resolveConfiguration } from '../../server/config/load-configuration.js';
import { at, type Deployment, type Fields, manifest, only, type Resource } from '../assembly.js';
import { change, type Line } from './deployment.js';

const resourcesOf = (deployment: Deployment): Record<string, Resource> => deployment.resources.TorcStore;
const balancer = (d: Deployment) => only(resourcesOf(d), 'AWS::ElasticLoadBalancingV2::LoadBalancer');
const listener = (d: Deployment) => only(resourcesOf(d), 'AWS::ElasticLoadBalancingV2::Listener', ({ Port }) => Port === 6379);
const targetGroup = (d: Deployment) => only(resourcesOf(d), 'AWS::ElasticLoadBalancingV2::TargetGroup');

const statefulSet = (d: Deployment): Fields => manifest(d, 'StatefulSet');
const podSpec = (d: Deployment): unknown => at(statefulSet(d), 'spec', 'template', 'spec');
const container = (d: Deployment): unknown => at(podSpec(d), 'containers', 0);
const selectorOf = (d: Deployment): unknown => at(statefulSet(d), 'spec', 'selector', 'matchLabels');

/** The configuration as a node would read it. */
function configuration(d: Deployment): Configuration {
  const text = String(at(manifest(d, 'ConfigMap'), 'data', 'torc.conf'));
  return resolveConfiguration(parseConfigurationFile(text, 'torc.conf'));
}

function changeConfiguration(d: Deployment, from: RegExp, to: string): void {
  const map = manifest(d, 'ConfigMap');
  const text = String(at(map, 'data', 'torc.conf'));
  assert.match(text, from);
  change(map, ['data', 'torc.conf'], text.replace(from, to));
}

/** The number of a container port, by its name. */
function portNumber(d: Deployment, name: unknown): unknown {
  const ports = at(container(d), 'ports') as Fields[];
  return ports.find((port) => port['name'] === name)?.['containerPort'];
}

/** The id of the resource by which the manifests of a kind are applied. */
function appliedAs(d: Deployment, kind: string): string {
  const applied = Object.entries(resourcesOf(d)).filter(
    ([, { Type, Properties }]) =>
      Type === 'Custom::AWSCDK-EKS-KubernetesResource' && JSON.stringify(Properties['Manifest']).includes(`kind\\":\\"${kind}\\"`),
  );
  assert.equal(applied.length, 1, `${applied.length} resources apply a ${kind}`);
  return applied[0]?.[0] ?? '';
}

function environment(d: Deployment, name: string): Fields {
  const found = (at(container(d), 'env') as Fields[]).find((one) => one['name'] === name);
  assert.ok(found !== undefined, `no ${name}`);
  return found;
}

/** `1500m` or `2` CPUs, in thousandths; `5Gi` in GiB. */
const millicpus = (text: unknown): number => (String(text).endsWith('m') ? parseInt(String(text), 10) : Number(text) * 1000);
const gibibytes = (text: unknown): number => (String(text).endsWith('Gi') ? parseInt(String(text), 10) : NaN);

function probeLine(line: string, probe: string, path: string, patience: (seconds: number) => boolean): Line {
  return {
    line,
    holds: (d) => {
      const spec = at(container(d), probe);
      assert.equal(at(spec, 'httpGet', 'path'), path);
      assert.equal(portNumber(d, at(spec, 'httpGet', 'port')), configuration(d).httpPort);
      assert.ok(patience(Number(at(spec, 'periodSeconds')) * Number(at(spec, 'failureThreshold'))));
    },
    breaks: [
      (d) => change(container(d), [probe], undefined),
      (d) => change(container(d), [probe, 'httpGet', 'path'], '/'),
      (d) => change(container(d), [probe, 'httpGet', 'port'], 'client'),
      (d) => change(container(d), [probe, 'failureThreshold'], probe === 'readinessProbe' ? 100 : 1),
    ],
  };
}

export const storeLines: readonly Line[] = [
  {
    line: 'Load balancer: network, internal, in three zones, behind its security group',
    holds: (d) => {
      const { properties } = balancer(d);
      assert.equal(properties['Type'], 'network');
      assert.equal(properties['Scheme'], 'internal');
      const subnets = (properties['Subnets'] as unknown[]).map((one) => /VpcPrivateSubnet\d/.exec(String(at(one, 'Fn::ImportValue')))?.[0]);
      assert.deepEqual(subnets, ['VpcPrivateSubnet1', 'VpcPrivateSubnet2', 'VpcPrivateSubnet3']);
      assert.match(String(at(properties, 'SecurityGroups', 0, 'Fn::ImportValue')), /LoadBalancer/);
      const attributes = Object.fromEntries((properties['LoadBalancerAttributes'] as Fields[]).map(({ Key, Value }) => [Key, Value]));
      assert.equal(attributes['load_balancing.cross_zone.enabled'], 'true');
      assert.equal(attributes['deletion_protection.enabled'], 'true');
    },
    breaks: [
      (d) => change(balancer(d).properties, ['Type'], 'application'),
      (d) => change(balancer(d).properties, ['Scheme'], 'internet-facing'),
      (d) => change(balancer(d).properties, ['Subnets', 0, 'Fn::ImportValue'], 'VpcPublicSubnet1'),
      (d) => change(balancer(d).properties, ['SecurityGroups'], []),
    ],
  },
  {
    line: 'Load balancer: access logs, in an encrypted bucket that is not public',
    holds: (d) => {
      const attributes = balancer(d).properties['LoadBalancerAttributes'] as Fields[];
      const value = (key: string): unknown => attributes.find(({ Key }) => Key === key)?.['Value'];
      assert.equal(value('access_logs.s3.enabled'), 'true');
      const bucket = resourcesOf(d)[String(at(value('access_logs.s3.bucket'), 'Ref'))];
      assert.equal(bucket?.Type, 'AWS::S3::Bucket');
      assert.ok(at(bucket.Properties, 'BucketEncryption', 'ServerSideEncryptionConfiguration', 0) !== undefined);
      assert.deepEqual(Object.values(bucket.Properties['PublicAccessBlockConfiguration'] as object), [true, true, true, true]);
      assert.equal(bucket.Properties['LoggingConfiguration'], undefined, 'it logs into itself');
    },
    breaks: [
      (d) => {
        const attributes = balancer(d).properties['LoadBalancerAttributes'] as Fields[];
        change(
          attributes.find(({ Key }) => Key === 'access_logs.s3.enabled'),
          ['Value'],
          'false',
        );
      },
      (d) => change(only(resourcesOf(d), 'AWS::S3::Bucket').properties, ['BucketEncryption'], undefined),
      (d) => {
        only(resourcesOf(d), 'AWS::S3::Bucket').properties['LoggingConfiguration'] = { LogFilePrefix: 'own/' };
      },
    ],
  },
  {
    line: 'Client to load balancer: TCP 6379',
    holds: (d) => {
      const { properties } = listener(d);
      assert.equal(properties['Protocol'], 'TCP');
      assert.deepEqual(properties['LoadBalancerArn'], { Ref: balancer(d).id });
      assert.deepEqual(at(properties, 'DefaultActions', 0, 'TargetGroupArn'), { Ref: targetGroup(d).id });
    },
    breaks: [
      (d) => change(listener(d).properties, ['Port'], 6378),
      (d) => change(listener(d).properties, ['Protocol'], 'UDP'),
      (d) => change(listener(d).properties, ['DefaultActions', 0, 'TargetGroupArn', 'Ref'], 'another'),
    ],
  },
  {
    line: 'Load balancer to coordinator: the target group is the ready pods of the service, by address',
    holds: (d) => {
      const group = targetGroup(d).properties;
      assert.equal(group['TargetType'], 'ip');
      assert.equal(group['Port'], configuration(d).port);
      const binding = manifest(d, 'TargetGroupBinding');
      assert.equal(at(binding, 'spec', 'targetGroupARN'), '<token>');
      assert.equal(at(binding, 'spec', 'targetType'), 'ip');
      const service = manifest(d, 'Service', String(at(binding, 'spec', 'serviceRef', 'name')));
      const port = (at(service, 'spec', 'ports') as Fields[]).find((one) => one['port'] === at(binding, 'spec', 'serviceRef', 'port'));
      assert.equal(portNumber(d, port?.['targetPort']), configuration(d).port);
      assert.deepEqual(at(service, 'spec', 'selector'), selectorOf(d));
      for (const [name, wanted] of [
        ['6379', 6379],
        ['8379', 8379],
      ] as const) {
        const rule = only(resourcesOf(d), 'AWS::EC2::SecurityGroupIngress', ({ ToPort }) => ToPort === wanted).properties;
        assert.match(String(at(rule, 'SourceSecurityGroupId', 'Fn::ImportValue')), /LoadBalancer/, name);
        assert.match(String(at(rule, 'GroupId', 'Fn::ImportValue')), /ClusterSecurityGroupId/);
      }
    },
    breaks: [
      (d) => change(targetGroup(d).properties, ['TargetType'], 'instance'),
      (d) => change(manifest(d, 'TargetGroupBinding'), ['spec', 'serviceRef', 'name'], 'torc-peers'),
      (d) => change(manifest(d, 'Service', 'torc'), ['spec', 'selector', 'app.kubernetes.io/name'], 'other'),
      (d) => change(resourcesOf(d), ['PodsFromLoadBalancer8379'], undefined),
    ],
  },
  {
    line: 'Load balancer: health checks on readiness',
    holds: (d) => {
      const group = targetGroup(d).properties;
      assert.equal(group['HealthCheckProtocol'], 'HTTP');
      assert.equal(group['HealthCheckPath'], '/readyz');
      assert.equal(group['HealthCheckPort'], String(configuration(d).httpPort));
      assert.deepEqual(group['Matcher'], { HttpCode: '200' });
      assert.ok(Number(group['HealthCheckIntervalSeconds']) * Number(group['UnhealthyThresholdCount']) <= 10);
      const attribute = (key: string): unknown => (group['TargetGroupAttributes'] as Fields[]).find(({ Key }) => Key === key)?.['Value'];
      assert.equal(attribute('target_health_state.unhealthy.connection_termination.enabled'), 'true');
      // A pod that drains ends its connections itself, and not before the load balancer has stopped sending new ones, which takes it two minutes.
      const { drainWaitSeconds, shutdownTimeoutSeconds } = configuration(d);
      assert.ok(drainWaitSeconds >= 120);
      assert.ok(Number(attribute('deregistration_delay.timeout_seconds')) >= drainWaitSeconds + shutdownTimeoutSeconds);
    },
    breaks: [
      (d) => change(targetGroup(d).properties, ['HealthCheckPath'], '/livez'),
      (d) => change(targetGroup(d).properties, ['HealthCheckPort'], '6379'),
      (d) => change(targetGroup(d).properties, ['HealthCheckProtocol'], 'TCP'),
      (d) => changeConfiguration(d, /drain-wait \d+/, 'drain-wait 25'),
      (d) => change(targetGroup(d).properties, ['HealthCheckIntervalSeconds'], 30),
      (d) => change(targetGroup(d).properties, ['TargetGroupAttributes'], [{ Key: 'deregistration_delay.timeout_seconds', Value: '140' }]),
      (d) => changeConfiguration(d, /shutdown-timeout \d+/, 'shutdown-timeout 60'),
    ],
  },
  {
    line: 'A pod is ready only when the load balancer has found it so: the binding is there before the pods, and pods wait for it',
    holds: (d) => {
      const label = 'elbv2.k8s.aws/pod-readiness-gate-inject';
      assert.equal(at(manifest(d, 'Namespace'), 'metadata', 'labels', label), 'enabled');
      assert.equal(at(manifest(d, 'Namespace'), 'metadata', 'name'), at(statefulSet(d), 'metadata', 'namespace'));
      assert.deepEqual(resourcesOf(d)[appliedAs(d, 'StatefulSet')]?.DependsOn, [appliedAs(d, 'TargetGroupBinding')]);
      assert.deepEqual(resourcesOf(d)[appliedAs(d, 'TargetGroupBinding')]?.DependsOn, [appliedAs(d, 'Service')]);
      // Without its controller a pod comes all the same.
      const chart = only(d.resources.TorcCluster, 'Custom::AWSCDK-EKS-HelmChart').properties;
      assert.match(JSON.stringify(chart['Values']), /podMutatorWebhookConfig[^}]*failurePolicy[^}]*Ignore/);
    },
    breaks: [
      (d) => change(manifest(d, 'Namespace'), ['metadata', 'labels', 'elbv2.k8s.aws/pod-readiness-gate-inject'], undefined),
      (d) => change(resourcesOf(d), [appliedAs(d, 'StatefulSet'), 'DependsOn'], undefined),
      (d) => change(only(d.resources.TorcCluster, 'Custom::AWSCDK-EKS-HelmChart').properties, ['Values'], '{}'),
    ],
  },
  {
    line: 'N = 3, W = 2, R = 2, and as many initial nodes as pods',
    holds: (d) => {
      const { replicas, writeQuorum, readQuorum, initialNodes } = configuration(d);
      assert.deepEqual([replicas, writeQuorum, readQuorum], [3, 2, 2]);
      assert.equal(initialNodes, at(statefulSet(d), 'spec', 'replicas'));
    },
    breaks: [
      (d) => changeConfiguration(d, /replicas 3/, 'replicas 2'),
      (d) => changeConfiguration(d, /write-quorum 2/, 'write-quorum 1'),
      (d) => change(statefulSet(d), ['spec', 'replicas'], 2),
    ],
  },
  {
    line: 'A gp3 volume per pod, encrypted, made in the zone of its pod, and kept',
    holds: (d) => {
      const kind = manifest(d, 'StorageClass');
      assert.equal(kind['provisioner'], 'ebs.csi.aws.com');
      assert.equal(at(kind, 'parameters', 'type'), 'gp3');
      assert.equal(at(kind, 'parameters', 'encrypted'), 'true');
      assert.deepEqual(
        [kind['volumeBindingMode'], kind['reclaimPolicy'], kind['allowVolumeExpansion']],
        ['WaitForFirstConsumer', 'Retain', true],
      );
      const claim = at(statefulSet(d), 'spec', 'volumeClaimTemplates', 0);
      assert.equal(at(claim, 'spec', 'storageClassName'), at(kind, 'metadata', 'name'));
      assert.deepEqual(at(claim, 'spec', 'accessModes'), ['ReadWriteOnce']);
      const mount = (at(container(d), 'volumeMounts') as Fields[]).find(({ name }) => name === at(claim, 'metadata', 'name'));
      assert.ok(configuration(d).directory.startsWith(`${String(mount?.['mountPath'])}/`));
      assert.deepEqual(at(statefulSet(d), 'spec', 'persistentVolumeClaimRetentionPolicy'), { whenDeleted: 'Retain', whenScaled: 'Retain' });
    },
    breaks: [
      (d) => change(manifest(d, 'StorageClass'), ['parameters', 'type'], 'gp2'),
      (d) => change(manifest(d, 'StorageClass'), ['parameters', 'encrypted'], 'false'),
      (d) => change(manifest(d, 'StorageClass'), ['volumeBindingMode'], 'Immediate'),
      (d) => change(statefulSet(d), ['spec', 'volumeClaimTemplates', 0, 'spec', 'storageClassName'], 'gp2'),
      (d) => changeConfiguration(d, /dir \S+/, 'dir /tmp'),
    ],
  },
  {
    line: 'All pods start at once, and find one another by names that are there before they are ready',
    holds: (d) => {
      assert.equal(at(statefulSet(d), 'spec', 'podManagementPolicy'), 'Parallel');
      const service = manifest(d, 'Service', String(at(statefulSet(d), 'spec', 'serviceName')));
      assert.equal(at(service, 'spec', 'clusterIP'), 'None');
      assert.equal(at(service, 'spec', 'publishNotReadyAddresses'), true);
      assert.deepEqual(at(service, 'spec', 'selector'), selectorOf(d));
      const name = String(at(statefulSet(d), 'metadata', 'name'));
      const domain = `${String(at(service, 'metadata', 'name'))}.${String(at(statefulSet(d), 'metadata', 'namespace'))}.svc.cluster.local`;
      const expected = [0, 1, 2].map((index) => ({ host: `${name}-${index}.${domain}`, port: configuration(d).peerPort }));
      assert.deepEqual(configuration(d).seeds, expected);
      const args = at(container(d), 'args') as string[];
      assert.equal(args[args.indexOf('--announce-host') + 1], `$(POD_NAME).${domain}`);
      assert.equal(args[args.indexOf('--node-id') + 1], '$(POD_NAME)');
      assert.equal(at(environment(d, 'POD_NAME'), 'valueFrom', 'fieldRef', 'fieldPath'), 'metadata.name');
    },
    breaks: [
      (d) => change(statefulSet(d), ['spec', 'podManagementPolicy'], 'OrderedReady'),
      (d) => change(manifest(d, 'Service', 'torc-peers'), ['spec', 'publishNotReadyAddresses'], false),
      (d) => change(manifest(d, 'Service', 'torc-peers'), ['metadata', 'name'], 'torc-others'),
      (d) => changeConfiguration(d, /torc-1\./, 'torc-7.'),
      (d) => change(environment(d, 'POD_NAME'), ['valueFrom', 'fieldRef', 'fieldPath'], 'metadata.uid'),
    ],
  },
  {
    line: "A pod's zone is its label's, and its machine is its host",
    holds: (d) => {
      assert.equal(at(environment(d, 'ZONE'), 'valueFrom', 'fieldRef', 'fieldPath'), "metadata.labels['topology.kubernetes.io/zone']");
      assert.equal(at(environment(d, 'NODE_NAME'), 'valueFrom', 'fieldRef', 'fieldPath'), 'spec.nodeName');
      const args = at(container(d), 'args') as string[];
      assert.equal(args[args.indexOf('--zone') + 1], '$(ZONE)');
      assert.equal(args[args.indexOf('--host') + 1], '$(NODE_NAME)');
      // Kubernetes labels pods with their zone from 1.35 on.
      assert.ok(Number(String(only(d.resources.TorcCluster, 'AWS::EKS::Cluster').properties['Version']).split('.')[1]) >= 35);
    },
    breaks: [
      (d) => change(environment(d, 'ZONE'), ['valueFrom', 'fieldRef', 'fieldPath'], 'spec.nodeName'),
      (d) => change(container(d), ['args'], ['server']),
      (d) => change(only(d.resources.TorcCluster, 'AWS::EKS::Cluster').properties, ['Version'], '1.34'),
    ],
  },
  {
    line: 'Pods spread over zones and machines, those of KVStore alone, and one may be away on purpose',
    holds: (d) => {
      const constraints = at(podSpec(d), 'topologySpreadConstraints') as Fields[];
      assert.deepEqual(
        constraints.map(({ topologyKey, whenUnsatisfiable, maxSkew }) => [topologyKey, whenUnsatisfiable, maxSkew]),
        [
          ['topology.kubernetes.io/zone', 'DoNotSchedule', 1],
          ['kubernetes.io/hostname', 'DoNotSchedule', 1],
        ],
      );
      for (const one of constraints) assert.deepEqual(at(one, 'labelSelector', 'matchLabels'), selectorOf(d));
      const anti = at(podSpec(d), 'affinity', 'podAntiAffinity', 'requiredDuringSchedulingIgnoredDuringExecution', 0);
      assert.equal(at(anti, 'topologyKey'), 'kubernetes.io/hostname');
      assert.deepEqual(at(podSpec(d), 'nodeSelector'), { 'torc.io/dedicated': 'kvstore' });
      assert.deepEqual(at(podSpec(d), 'tolerations'), [
        { key: 'torc.io/dedicated', value: 'kvstore', operator: 'Equal', effect: 'NoSchedule' },
      ]);
      const budget = manifest(d, 'PodDisruptionBudget');
      assert.equal(at(budget, 'spec', 'maxUnavailable'), 1);
      assert.equal(at(budget, 'spec', 'unhealthyPodEvictionPolicy'), 'IfHealthyBudget');
      assert.deepEqual(at(budget, 'spec', 'selector', 'matchLabels'), selectorOf(d));
    },
    breaks: [
      (d) => change(podSpec(d), ['topologySpreadConstraints', 0, 'whenUnsatisfiable'], 'ScheduleAnyway'),
      (d) => change(podSpec(d), ['topologySpreadConstraints', 1, 'topologyKey'], 'rack'),
      (d) => change(podSpec(d), ['nodeSelector'], {}),
      (d) => change(podSpec(d), ['tolerations'], []),
      (d) => change(manifest(d, 'PodDisruptionBudget'), ['spec', 'maxUnavailable'], 2),
      (d) => change(manifest(d, 'PodDisruptionBudget'), ['spec', 'unhealthyPodEvictionPolicy'], 'AlwaysAllow'),
      (d) => change(manifest(d, 'PodDisruptionBudget'), ['spec', 'selector', 'matchLabels'], {}),
    ],
  },
  probeLine('Liveness probe: kills only what stood still for a minute', 'livenessProbe', '/livez', (seconds) => seconds >= 60),
  probeLine('Readiness probe: takes a pod out within 10 s', 'readinessProbe', '/readyz', (seconds) => seconds <= 10),
  probeLine('Startup probe: lets a long log be replayed', 'startupProbe', '/startupz', (seconds) => seconds >= 1800),
  {
    line: 'A pod drains before it ends, and is given the time that takes',
    holds: (d) => {
      const hook = at(container(d), 'lifecycle', 'preStop', 'exec', 'command') as string[];
      const args = at(container(d), 'args') as string[];
      assert.deepEqual(hook, [...(at(container(d), 'command') as string[]), 'drain', args[1]]);
      assert.ok(hook[1]?.startsWith('/'), 'the working directory of a hook is the root');
      const { drainWaitSeconds, shutdownTimeoutSeconds } = configuration(d);
      assert.ok(drainWaitSeconds > 0);
      assert.ok(Number(at(podSpec(d), 'terminationGracePeriodSeconds')) >= drainWaitSeconds + shutdownTimeoutSeconds + 10);
    },
    breaks: [
      (d) => change(container(d), ['lifecycle'], undefined),
      (d) => {
        change(container(d), ['command', 1], 'dist/server/main.js');
        change(container(d), ['lifecycle', 'preStop', 'exec', 'command', 1], 'dist/server/main.js');
      },
      (d) => change(podSpec(d), ['terminationGracePeriodSeconds'], 30),
      (d) => changeConfiguration(d, /shutdown-timeout \d+/, 'shutdown-timeout 600'),
    ],
  },
  {
    line: 'Configuration from a ConfigMap, mounted where the command says; the password from a Secret that no deployment writes to',
    holds: (d) => {
      const args = at(container(d), 'args') as string[];
      const mounts = Object.fromEntries((at(container(d), 'volumeMounts') as Fields[]).map(({ name, mountPath }) => [name, mountPath]));
      const volumes = Object.fromEntries((at(podSpec(d), 'volumes') as Fields[]).map((volume) => [volume['name'], volume]));
      assert.equal(args[1], `${String(mounts['config'])}/torc.conf`);
      assert.equal(at(volumes['config'], 'configMap', 'name'), at(manifest(d, 'ConfigMap'), 'metadata', 'name'));
      const name = at(manifest(d, 'Secret'), 'metadata', 'name');
      assert.deepEqual(environment(d, 'TORC_REQUIREPASS')['valueFrom'], { secretKeyRef: { name, key: 'requirepass', optional: true } });
      for (const data of ['data', 'stringData'])
        assert.equal(manifest(d, 'Secret')[data], undefined, 'it would write over what an operator set');
      assert.match(String(at(statefulSet(d), 'spec', 'template', 'metadata', 'annotations', 'torc.io/config-sha256')), /^[0-9a-f]{64}$/);
    },
    breaks: [
      (d) => change(podSpec(d), ['volumes', 0, 'configMap', 'name'], 'other'),
      (d) => change(manifest(d, 'Secret'), ['metadata', 'name'], 'other'),
      (d) => change(environment(d, 'TORC_REQUIREPASS'), ['valueFrom', 'secretKeyRef', 'optional'], false),
      (d) => {
        manifest(d, 'Secret')['stringData'] = { requirepass: '' };
      },
      (d) => change(statefulSet(d), ['spec', 'template', 'metadata', 'annotations'], {}),
    ],
  },
  {
    line: 'Network policy: clients from the VPC, peers from pods of Torc alone',
    holds: (d) => {
      const policy = manifest(d, 'NetworkPolicy');
      const own = { podSelector: { matchLabels: selectorOf(d) } };
      const { port, httpPort, peerPort } = configuration(d);
      assert.deepEqual(at(policy, 'spec', 'podSelector'), own.podSelector);
      assert.deepEqual(at(policy, 'spec', 'policyTypes'), ['Ingress', 'Egress']);
      const tcp = (number: number) => ({ protocol: 'TCP', port: number });
      assert.deepEqual(at(policy, 'spec', 'ingress'), [
        { from: [{ ipBlock: { cidr: '10.0.0.0/16' } }], ports: [tcp(port), tcp(httpPort)] },
        { from: [own], ports: [tcp(peerPort)] },
      ]);
      assert.deepEqual(at(policy, 'spec', 'egress', 0), { to: [own], ports: [tcp(peerPort)] });
      assert.equal((at(policy, 'spec', 'egress') as unknown[]).length, 2);
      assert.deepEqual(at(policy, 'spec', 'egress', 1, 'ports'), [tcp(53), { protocol: 'UDP', port: 53 }]);
    },
    breaks: [
      (d) => change(manifest(d, 'NetworkPolicy'), ['spec', 'ingress', 1, 'from'], []),
      (d) => change(manifest(d, 'NetworkPolicy'), ['spec', 'ingress', 0, 'from', 0, 'ipBlock', 'cidr'], '0.0.0.0/0'),
      (d) => change(manifest(d, 'NetworkPolicy'), ['spec', 'policyTypes'], ['Ingress']),
      (d) => change(manifest(d, 'NetworkPolicy'), ['spec', 'egress', 1, 'ports', 1, 'protocol'], 'TCP'),
    ],
  },
  {
    line: 'Requests that one pod and the daemons of a t3.large fit into, and two pods do not',
    holds: (d) => {
      const resources = at(container(d), 'resources');
      const cpu = millicpus(at(resources, 'requests', 'cpu'));
      const memory = gibibytes(at(resources, 'requests', 'memory'));
      const limit = gibibytes(at(resources, 'limits', 'memory'));
      // Of 2 CPUs and 8 GiB kubelet keeps 70m and about 1 GiB, the daemons ask for 200m and 0.2 GiB.
      assert.ok(cpu > 1000 && cpu <= 1700, `${cpu} thousandths of a CPU`);
      assert.ok(memory > 4 && limit >= memory && limit <= 6, `${memory} to ${limit} GiB`);
      const heap = Number(/--max-old-space-size=(\d+)/.exec(String(environment(d, 'NODE_OPTIONS')['value']))?.[1]) / 1024;
      assert.ok(configuration(d).cacheBytesMax / 1024 ** 3 < heap && heap < limit);
    },
    breaks: [
      (d) => change(container(d), ['resources', 'requests', 'cpu'], '2'),
      (d) => change(container(d), ['resources', 'limits', 'memory'], '8Gi'),
      (d) => change(container(d), ['resources', 'requests', 'memory'], '2Gi'),
      (d) => changeConfiguration(d, /cache-size \w+/, 'cache-size 8gb'),
    ],
  },
  {
    line: 'Pods run as nobody in particular, can change nothing but their volume, and ask Kubernetes nothing',
    holds: (d) => {
      const pod = at(podSpec(d), 'securityContext');
      assert.deepEqual([at(pod, 'runAsNonRoot'), at(pod, 'runAsUser'), at(pod, 'fsGroup')], [true, 10001, 10001]);
      assert.equal(at(pod, 'seccompProfile', 'type'), 'RuntimeDefault');
      const own = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } };
      assert.deepEqual(at(container(d), 'securityContext'), own);
      assert.equal(at(podSpec(d), 'automountServiceAccountToken'), false);
      assert.equal(at(podSpec(d), 'serviceAccountName'), at(manifest(d, 'ServiceAccount'), 'metadata', 'name'));
      assert.equal(at(manifest(d, 'Namespace'), 'metadata', 'labels', 'pod-security.kubernetes.io/enforce'), 'restricted');
    },
    breaks: [
      (d) => change(podSpec(d), ['securityContext', 'runAsNonRoot'], false),
      (d) => change(container(d), ['securityContext', 'readOnlyRootFilesystem'], false),
      (d) => change(container(d), ['securityContext', 'capabilities', 'drop'], []),
      (d) => change(podSpec(d), ['automountServiceAccountToken'], true),
      (d) => change(manifest(d, 'Namespace'), ['metadata', 'labels', 'pod-security.kubernetes.io/enforce'], 'privileged'),
    ],
  },
];
