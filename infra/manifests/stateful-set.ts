/**
 * The pods of Torc: one to a machine of its own, spread over zones, each with a volume and a host name that stay with it. A pod is told its name, zone
 * and machine by Kubernetes, and places its replicas by them.
 */
import { createHash } from 'node:crypto';
import type { IStatefulSet } from 'kubernetes-models/apps/v1';
import type { IContainer, IEnvVar, IProbe } from 'kubernetes-models/v1';
import type { Parameters } from '../parameters.js';
import { dedicated, imageUser, ports } from '../ports.js';
import { configDirectory, dataVolume, labels, names, programDirectory, selector } from './names.js';
import { configFile, podHost, torcConf } from './torc-conf.js';

/** What ending a pod may take beyond what its configuration allows: the hook's own start, and Kubernetes' delays. */
const graceMarginSeconds = 15;

const probe = (path: string, periodSeconds: number, failureThreshold: number): IProbe => ({
  httpGet: { path, port: 'http' },
  periodSeconds,
  timeoutSeconds: 3,
  failureThreshold,
});

function environment({ zone }: Parameters): IEnvVar[] {
  const field = (name: string, fieldPath: string): IEnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return [
    field('POD_NAME', 'metadata.name'),
    field('NODE_NAME', 'spec.nodeName'),
    // Kubernetes copies the label from the machine to its pods from 1.35 on.
    zone === undefined ? field('ZONE', "metadata.labels['topology.kubernetes.io/zone']") : { name: 'ZONE', value: zone },
    // Not there until an operator sets it; the hook below says it too.
    { name: 'TORC_REQUIREPASS', valueFrom: { secretKeyRef: { name: names.secret, key: names.passwordKey, optional: true } } },
    // The heap beside which RocksDB's memory and socket buffers fit into the limit.
    { name: 'NODE_OPTIONS', value: '--max-old-space-size=4096' },
  ];
}

function container(parameters: Parameters, image: string): IContainer {
  // By its whole path: Kubernetes promises a hook the root as its working directory, whatever workingDir says.
  const program = ['node', `${programDirectory}/dist/server/main.js`];
  return {
    name: 'torc',
    image,
    workingDir: programDirectory,
    command: program,
    args: [
      'server',
      configFile,
      '--node-id',
      '$(POD_NAME)',
      '--zone',
      '$(ZONE)',
      '--host',
      '$(NODE_NAME)',
      '--announce-host',
      podHost('$(POD_NAME)', parameters.namespace),
    ],
    env: environment(parameters),
    ports: [
      { name: 'client', containerPort: ports.client },
      { name: 'http', containerPort: ports.http },
      { name: 'peer', containerPort: ports.peer },
    ],
    // A long log takes long to replay: half an hour. A pod that is only waiting for others to form the cluster with has started.
    startupProbe: probe('/startupz', 5, 360),
    // Killing a node costs its peers a catch-up: only a loop that stood still for a minute is worth it.
    livenessProbe: probe('/livez', 10, 6),
    readinessProbe: probe('/readyz', 3, 2),
    lifecycle: { preStop: { exec: { command: [...program, 'drain', configFile] } } },
    // A t3.large has 2 CPUs and 8 GiB, of which the system and its daemons take 0.3 and 1.2.
    resources: { requests: { cpu: '1500m', memory: '5Gi' }, limits: { memory: '6Gi' } },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    volumeMounts: [
      { name: 'data', mountPath: dataVolume },
      { name: 'config', mountPath: configDirectory, readOnly: true },
    ],
  };
}

export function statefulSet(parameters: Parameters, image: string) {
  const { namespace, nodes } = parameters;
  const spread = (topologyKey: string) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'DoNotSchedule' as const,
    labelSelector: { matchLabels: selector },
  });
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: names.store, namespace, labels },
    spec: {
      serviceName: names.peers,
      replicas: nodes,
      // All at once: none is ready before enough of them have met.
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      selector: { matchLabels: selector },
      // A pod that is deleted or scaled away leaves its data: only an operator knows that it is held elsewhere.
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      template: {
        metadata: {
          labels,
          // A changed configuration is a changed template, so the pods are restarted one by one.
          annotations: { 'torc.io/config-sha256': createHash('sha256').update(torcConf(parameters)).digest('hex') },
        },
        spec: {
          serviceAccountName: names.store,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: parameters['drain-wait-seconds'] + parameters['shutdown-timeout-seconds'] + graceMarginSeconds,
          nodeSelector: { [dedicated.key]: dedicated.value },
          tolerations: [{ ...dedicated, operator: 'Equal', effect: 'NoSchedule' }],
          topologySpreadConstraints: [spread('topology.kubernetes.io/zone'), spread('kubernetes.io/hostname')],
          affinity: {
            podAntiAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: [
                { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: selector } },
              ],
            },
          },
          securityContext: {
            runAsNonRoot: true,
            runAsUser: imageUser,
            runAsGroup: imageUser,
            fsGroup: imageUser,
            fsGroupChangePolicy: 'OnRootMismatch',
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [container(parameters, image)],
          volumes: [{ name: 'config', configMap: { name: names.config } }],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data', labels },
          spec: {
            accessModes: ['ReadWriteOnce'],
            storageClassName: names.storageClass,
            resources: { requests: { storage: `${parameters['volume-gib']}Gi` } },
          },
        },
      ],
    },
  } satisfies IStatefulSet;
}
