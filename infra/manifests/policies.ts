/** What may be done to the pods and who may talk to them. */
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1';
import type { Parameters } from '../parameters.js';
import { ports } from '../ports.js';
import { labels, names, selector } from './names.js';

/**
 * A write needs two of three replicas: one node may be away on purpose, and only while no other is. A pod that is not ready is no exception: one that
 * rebuilds takes part in writes already.
 */
export function disruptionBudget({ namespace }: Parameters) {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: names.store, namespace, labels },
    spec: { maxUnavailable: 1, selector: { matchLabels: selector }, unhealthyPodEvictionPolicy: 'IfHealthyBudget' },
  } satisfies IPodDisruptionBudget;
}

const tcp = (port: number) => ({ protocol: 'TCP', port }) as const;
const insideVpc = '10.0.0.0/16';

/**
 * Clients come from inside the VPC, the load balancer's own addresses included; peers are pods of Torc alone, since whoever reaches the peer port is
 * obeyed. Out, a node asks for names and talks to its peers.
 */
export function networkPolicy({ namespace }: Parameters) {
  const pods = [{ podSelector: { matchLabels: selector } }];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: names.store, namespace, labels },
    spec: {
      podSelector: { matchLabels: selector },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: [{ ipBlock: { cidr: insideVpc } }], ports: [tcp(ports.client), tcp(ports.http)] },
        { from: pods, ports: [tcp(ports.peer)] },
      ],
      egress: [
        { to: pods, ports: [tcp(ports.peer)] },
        {
          to: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
              podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
            },
          ],
          ports: [tcp(53), { protocol: 'UDP', port: 53 }],
        },
      ],
    },
  } satisfies INetworkPolicy;
}
