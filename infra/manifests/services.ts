/** How pods are found: by one another before they are ready, by clients inside the cluster and by the load balancer only when they are. */
import type { IService } from 'kubernetes-models/v1';
import type { Parameters } from '../parameters.js';
import { ports } from '../ports.js';
import { labels, names, scraped, selector } from './names.js';

export function peerService({ namespace }: Parameters) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: names.peers, namespace, labels: { ...labels, ...scraped } },
    spec: {
      clusterIP: 'None',
      // Nodes are ready only once they have met, and they meet by these names.
      publishNotReadyAddresses: true,
      selector,
      ports: [
        { name: 'peer', port: ports.peer, targetPort: 'peer' },
        { name: 'http', port: ports.http, targetPort: 'http' },
      ],
    },
  } satisfies IService;
}

export function clientService({ namespace }: Parameters) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: names.store, namespace, labels },
    spec: {
      type: 'ClusterIP',
      selector,
      ports: [
        { name: 'client', port: ports.client, targetPort: 'client' },
        { name: 'http', port: ports.http, targetPort: 'http' },
      ],
    },
  } satisfies IService;
}

/** Of the AWS load balancer controller, which keeps the target group's addresses those of the service's ready pods. */
export interface ITargetGroupBinding {
  readonly apiVersion: 'elbv2.k8s.aws/v1beta1';
  readonly kind: 'TargetGroupBinding';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly targetGroupARN: string;
    readonly targetType: 'ip' | 'instance';
    readonly serviceRef: { readonly name: string; readonly port: number | string };
  };
}

export function targetGroupBinding({ namespace }: Parameters, targetGroupArn: string) {
  return {
    apiVersion: 'elbv2.k8s.aws/v1beta1',
    kind: 'TargetGroupBinding',
    metadata: { name: names.store, namespace, labels },
    spec: { targetGroupARN: targetGroupArn, targetType: 'ip', serviceRef: { name: names.store, port: ports.client } },
  } satisfies ITargetGroupBinding;
}
