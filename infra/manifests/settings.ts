/** What the pods run in and with: namespace, account, configuration, secret, kind of volume. */
import type { IConfigMap, INamespace, ISecret, IServiceAccount } from 'kubernetes-models/v1';
import type { IStorageClass } from 'kubernetes-models/storage.k8s.io/v1';
import type { Parameters } from '../parameters.js';
import { labels, names } from './names.js';
import { torcConf } from './torc-conf.js';

/**
 * A pod here is ready only when the load balancer has found it so too, which takes it minutes: a rolling restart would otherwise be through all pods
 * before the first is a target again.
 */
export function namespaceOf({ namespace }: Parameters) {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: namespace,
      labels: {
        ...labels,
        'pod-security.kubernetes.io/enforce': 'restricted',
        'elbv2.k8s.aws/pod-readiness-gate-inject': 'enabled',
      },
    },
  } satisfies INamespace;
}

/** Torc asks Kubernetes nothing, so its account may do nothing and its token is not even handed out. */
export function serviceAccount({ namespace }: Parameters) {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: names.store, namespace, labels },
    automountServiceAccountToken: false,
  } satisfies IServiceAccount;
}

export function configMap(parameters: Parameters) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: names.config, namespace: parameters.namespace, labels },
    data: { 'torc.conf': torcConf(parameters) },
  } satisfies IConfigMap;
}

/**
 * Where an operator puts `requirepass`. A template is no place for a secret, so it is made without any data, and not with a placeholder either: what a
 * manifest names, each later deployment that changes anything beside it would write over the operator's.
 */
export function secret({ namespace }: Parameters) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: names.secret, namespace, labels },
    type: 'Opaque',
  } satisfies ISecret;
}

/** A volume is made where its pod was placed, grows on demand, and outlives its claim. */
export function storageClass() {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: names.storageClass, labels },
    provisioner: 'ebs.csi.aws.com',
    parameters: { type: 'gp3', encrypted: 'true', 'csi.storage.k8s.io/fstype': 'ext4' },
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: true,
    reclaimPolicy: 'Retain',
  } satisfies IStorageClass;
}
