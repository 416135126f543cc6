/** docs/deployment.md: a picture of a deployment, drawn from its synthesized templates alone, so that it shows what would be made and nothing else. */
import { at, type Deployment, type Fields, manifest, ofType, only, type Resource } from './assembly.js';

/** Mermaid has its own idea of quotes; nothing in a template of ours needs them. */
const box = (id: string, ...lines: readonly string[]): string => `${id}["${lines.join('<br/>').replaceAll('"', "'")}"]`;

/** The zone's number, 1 to 3, that an import of a private subnet names. */
function zonesOf({ Subnets }: Fields): number[] {
  return (Subnets as unknown[]).map((one) => Number(/VpcPrivateSubnet(\d)Subnet/.exec(String(at(one, 'Fn::ImportValue')))?.[1]));
}

function zoneLines(
  network: Record<string, Resource>,
  cluster: Record<string, Resource>,
  deployment: Deployment,
  zone: string,
  number: number,
): string[] {
  const subnets = Object.entries(network).filter(
    ([, { Type, Properties }]) => Type === 'AWS::EC2::Subnet' && Properties['AvailabilityZone'] === zone,
  );
  const nats = ofType(network, 'AWS::EC2::NatGateway').map(({ SubnetId }) => at(SubnetId, 'Ref'));
  const set = manifest(deployment, 'StatefulSet');
  const claim = at(set, 'spec', 'volumeClaimTemplates', 0, 'spec');
  const storage = at(manifest(deployment, 'StorageClass'), 'parameters', 'type');
  const lines: string[] = [];
  for (const [id, { Properties }] of subnets) {
    const isPublic = nats.includes(id);
    lines.push(
      `subgraph ${isPublic ? 'public' : 'private'}${number}["${isPublic ? 'Public' : 'Private'} subnet ${String(Properties['CidrBlock'])}"]`,
    );
    if (isPublic) lines.push(box(`nat${number}`, `NAT gateway ${number}`));
    else {
      for (const group of ofType(cluster, 'AWS::EKS::Nodegroup').filter((one) => zonesOf(one).includes(number))) {
        const name = String(at(group, 'Labels', 'torc.io/group'));
        const type = String(at(group, 'InstanceTypes', 0));
        const machines = Number(at(group, 'ScalingConfig', 'DesiredSize')) / zonesOf(group).length;
        if (name === 'kvstore') {
          const volume = `volume: ${String(storage)}, ${String(at(claim, 'resources', 'requests', 'storage'))}`;
          const pods = machines === 1 ? 'one pod of' : `${machines} machines, one pod each of`;
          lines.push(box(`store${number}`, `KVStore node, ${type}`, `${pods} StatefulSet ${String(at(set, 'metadata', 'name'))}`, volume));
        } else lines.push(box(`general${number}`, `General purpose, ${type}`, 'add-ons'));
      }
    }
    lines.push('end');
  }
  return lines;
}

export function picture(deployment: Deployment): string {
  const { TorcNetwork: network, TorcCluster: cluster, TorcStore: store } = deployment.resources;
  const vpc = only(network, 'AWS::EC2::VPC').properties;
  const zones = [...new Set(ofType(network, 'AWS::EC2::Subnet').map(({ AvailabilityZone }) => String(AvailabilityZone)))].toSorted();
  const balancer = only(store, 'AWS::ElasticLoadBalancingV2::LoadBalancer').properties;
  const group = only(store, 'AWS::ElasticLoadBalancingV2::TargetGroup').properties;
  const listeners = ofType(store, 'AWS::ElasticLoadBalancingV2::Listener').map(
    ({ Protocol, Port }) => `${String(Protocol)} ${String(Port)}`,
  );
  const eks = only(cluster, 'AWS::EKS::Cluster').properties;
  const addOns = ofType(cluster, 'AWS::EKS::Addon').map(({ AddonName }) => String(AddonName));
  const charts = ofType(cluster, 'Custom::AWSCDK-EKS-HelmChart').map(({ Chart }) => String(Chart));
  const peerPort = at(manifest(deployment, 'Service', 'torc-peers'), 'spec', 'ports', 0, 'port');
  const health = `${String(group['HealthCheckProtocol'])} ${String(group['HealthCheckPort'])} ${String(group['HealthCheckPath'])}`;
  const every = `every ${String(group['HealthCheckIntervalSeconds'])} s`;
  const region = deployment.environments.TorcNetwork.split('/').at(-1) ?? '';
  const lines = [
    'graph TB',
    'clients((clients))',
    `subgraph region["AWS, ${region}"]`,
    box(
      'control',
      `EKS ${String(eks['Version'])} control plane`,
      `add-ons: ${addOns.toSorted().join(', ')}`,
      `chart: ${charts.join(', ')}`,
    ),
    `subgraph vpc["VPC ${String(vpc['CidrBlock'])}"]`,
    box('balancer', `Network load balancer, ${String(balancer['Scheme'])}`, listeners.toSorted().join(', ')),
    box('targets', `Target group, by ${String(group['TargetType'])}, port ${String(group['Port'])}`, `health: ${health}`, every),
    ...zones.flatMap((zone, index) => [
      `subgraph zone${index + 1}["${zone}"]`,
      ...zoneLines(network, cluster, deployment, zone, index + 1),
      'end',
    ]),
    'end',
    box('logs', 'Flow logs', `${String(only(network, 'AWS::EC2::FlowLog').properties['TrafficType'])} traffic`),
    'end',
    `clients -->|${listeners.toSorted().join(', ')}| balancer --> targets`,
    ...zones.map((_, index) => `targets --> store${index + 1}`),
    ...zones.map((_, index) => `store${index + 1} <-->|${String(peerPort)}| store${((index + 1) % zones.length) + 1}`),
    ...zones.map((_, index) => `private${index + 1} -.-> nat${index + 1}`),
    'control --- private1 & private2 & private3',
    'vpc -.-> logs',
  ];
  return `# The deployment

Drawn from the synthesized templates by \`npm run infra:synth -- --picture docs/deployment.md\`; not to be edited.

\`\`\`mermaid
${lines.join('\n')}
\`\`\`
`;
}
