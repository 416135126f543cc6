/** The specification's 1.2, and what of 5 is of EKS. */
import assert from 'node:assert/strict';
import { at, type Deployment, type Fields, only, ofType, type Resource } from '../assembly.js';
import { change, type Line } from './deployment.js';

const resourcesOf = (deployment: Deployment): Record<string, Resource> => deployment.resources.TorcCluster;
const controlPlane = (deployment: Deployment): Fields => only(resourcesOf(deployment), 'AWS::EKS::Cluster').properties;

const apiGroup = (deployment: Deployment) => only(resourcesOf(deployment), 'AWS::EC2::SecurityGroup');

/** Numbers of the private subnets that a list of imports names. */
function privateSubnets(imports: unknown): string[] {
  return (imports as unknown[]).map((one) => /VpcPrivateSubnet(\d)Subnet/.exec(String(at(one, 'Fn::ImportValue')))?.[1] ?? 'none');
}

const group = (deployment: Deployment, name: string, index = 0): Resource => {
  const found = Object.values(resourcesOf(deployment)).filter(
    ({ Type, Properties }) => Type === 'AWS::EKS::Nodegroup' && at(Properties, 'Labels', 'torc.io/group') === name,
  )[index];
  assert.ok(found !== undefined, `no node group ${name} ${index}`);
  return found;
};

function addOn(deployment: Deployment, name: string) {
  return only(resourcesOf(deployment), 'AWS::EKS::Addon', ({ AddonName }) => AddonName === name);
}

function launchTemplate(deployment: Deployment, { Properties }: Resource): Fields {
  const template = resourcesOf(deployment)[String(at(Properties, 'LaunchTemplate', 'Id', 'Ref'))];
  assert.ok(template !== undefined);
  return template.Properties;
}

/** Machines start encrypted, give their credentials to no pod, and are replaced only as pods' disruption budgets allow. */
function isHardened(deployment: Deployment, machines: Resource): void {
  const data = at(launchTemplate(deployment, machines), 'LaunchTemplateData');
  assert.deepEqual(at(data, 'BlockDeviceMappings', 0, 'Ebs', 'Encrypted'), true);
  assert.deepEqual(at(data, 'MetadataOptions'), { HttpPutResponseHopLimit: 1, HttpTokens: 'required' });
  assert.deepEqual(at(data, 'CreditSpecification'), { CpuCredits: 'unlimited' });
  assert.equal(machines.Properties['ForceUpdateEnabled'], false);
}

const helmChart = (deployment: Deployment) => only(resourcesOf(deployment), 'Custom::AWSCDK-EKS-HelmChart');

/** An add-on that machines need before they come, or that needs machines. */
function addOnLine(line: string, name: string, when: 'before machines' | 'after machines'): Line {
  return {
    line,
    holds: (d) => {
      const { id, resource } = addOn(d, name);
      const groups = Object.entries(resourcesOf(d)).filter(([, { Type }]) => Type === 'AWS::EKS::Nodegroup');
      for (const [groupId, one] of groups) {
        if (when === 'before machines') assert.ok(one.DependsOn?.includes(id), `${groupId} does not wait for ${name}`);
        else assert.ok(resource.DependsOn?.includes(groupId), `${name} does not wait for ${groupId}`);
      }
      if (name === 'vpc-cni') assert.equal(at(resource.Properties, 'ConfigurationValues'), '{"enableNetworkPolicy":"true"}');
      if (name === 'aws-ebs-csi-driver')
        assert.equal(at(resource.Properties, 'PodIdentityAssociations', 0, 'ServiceAccount'), 'ebs-csi-controller-sa');
    },
    breaks: [
      (d) => change(resourcesOf(d), [addOn(d, name).id], undefined),
      (d) => change(addOn(d, name).properties, ['AddonName'], 'another'),
      (d) => {
        const { id, resource } = addOn(d, name);
        if (when === 'after machines') resource.DependsOn = [];
        else for (const one of Object.values(resourcesOf(d))) if (one.DependsOn?.includes(id)) one.DependsOn = [];
      },
    ],
  };
}

export const clusterLines: readonly Line[] = [
  {
    line: 'Control plane: EKS 1.36 in the private subnets of three zones; all logs; encrypted secrets; its API for the VPC and closed to the Internet',
    holds: (d) => {
      const cluster = controlPlane(d);
      assert.equal(cluster['Version'], '1.36');
      assert.deepEqual(privateSubnets(at(cluster, 'ResourcesVpcConfig', 'SubnetIds')), ['1', '2', '3']);
      assert.equal(at(cluster, 'ResourcesVpcConfig', 'EndpointPublicAccess'), false);
      assert.equal(at(cluster, 'ResourcesVpcConfig', 'EndpointPrivateAccess'), true);
      assert.equal(at(cluster, 'ResourcesVpcConfig', 'SecurityGroupIds', 0, 'Fn::GetAtt', 0), apiGroup(d).id);
      assert.deepEqual(
        (apiGroup(d).properties['SecurityGroupIngress'] as Fields[]).map((rule) => [rule['CidrIp'], rule['FromPort'], rule['ToPort']]),
        [['10.0.0.0/16', 443, 443]],
      );
      const logs = at(cluster, 'Logging', 'ClusterLogging', 'EnabledTypes') as { Type: string }[];
      assert.deepEqual(logs.map(({ Type }) => Type).toSorted(), ['api', 'audit', 'authenticator', 'controllerManager', 'scheduler']);
      assert.deepEqual(at(cluster, 'EncryptionConfig', 0, 'Resources'), ['secrets']);
      const key = resourcesOf(d)[String(at(cluster, 'EncryptionConfig', 0, 'Provider', 'KeyArn', 'Fn::GetAtt', 0))];
      assert.equal(key?.Properties['EnableKeyRotation'], true);
    },
    breaks: [
      (d) => change(controlPlane(d), ['Version'], '1.20'),
      (d) => change(controlPlane(d), ['ResourcesVpcConfig', 'EndpointPublicAccess'], true),
      (d) => change(controlPlane(d), ['Logging', 'ClusterLogging', 'EnabledTypes', 1], { Type: 'none' }),
      (d) => change(controlPlane(d), ['EncryptionConfig'], undefined),
      (d) => change(apiGroup(d).properties, ['SecurityGroupIngress', 0, 'CidrIp'], '0.0.0.0/0'),
      (d) => change(controlPlane(d), ['ResourcesVpcConfig', 'SubnetIds', 2], { 'Fn::ImportValue': 'VpcPublicSubnet3Subnet' }),
    ],
  },
  {
    line: 'Node group: general purpose, t3.medium, in three zones',
    holds: (d) => {
      const machines = group(d, 'general-purpose');
      assert.deepEqual(machines.Properties['InstanceTypes'], ['t3.medium']);
      assert.deepEqual(privateSubnets(machines.Properties['Subnets']), ['1', '2', '3']);
      assert.equal(machines.Properties['Taints'], undefined);
      assert.equal(at(machines.Properties, 'ScalingConfig', 'MinSize'), 3);
      isHardened(d, machines);
    },
    breaks: [
      (d) => change(group(d, 'general-purpose').Properties, ['InstanceTypes', 0], 't3.small'),
      (d) => change(group(d, 'general-purpose').Properties, ['Subnets'], [{ 'Fn::ImportValue': 'VpcPrivateSubnet1Subnet' }]),
      (d) => change(launchTemplate(d, group(d, 'general-purpose')), ['LaunchTemplateData', 'MetadataOptions', 'HttpTokens'], 'optional'),
    ],
  },
  {
    line: 'Node groups: KVStore nodes, t3.large, one group per zone, tainted and labelled; they change one after the other',
    holds: (d) => {
      const zones = [0, 1, 2].flatMap((index) => {
        const machines = group(d, 'kvstore', index);
        assert.deepEqual(machines.Properties['InstanceTypes'], ['t3.large']);
        assert.deepEqual(machines.Properties['Taints'], [{ Effect: 'NO_SCHEDULE', Key: 'torc.io/dedicated', Value: 'kvstore' }]);
        assert.equal(at(machines.Properties, 'Labels', 'torc.io/dedicated'), 'kvstore');
        assert.equal(at(machines.Properties, 'ScalingConfig', 'MinSize'), 1);
        isHardened(d, machines);
        return privateSubnets(machines.Properties['Subnets']);
      });
      assert.deepEqual(zones, ['1', '2', '3']);
      for (const index of [1, 2]) {
        const before = Object.entries(resourcesOf(d)).find(([, resource]) => resource === group(d, 'kvstore', index - 1))?.[0];
        assert.ok(group(d, 'kvstore', index).DependsOn?.includes(before ?? ''), 'two zones may be away at once');
      }
    },
    breaks: [
      (d) => change(group(d, 'kvstore', 1).Properties, ['InstanceTypes', 0], 't3.medium'),
      (d) => change(group(d, 'kvstore', 2).Properties, ['Taints'], undefined),
      (d) => change(group(d, 'kvstore', 2), ['DependsOn'], []),
      (d) => change(group(d, 'kvstore', 1).Properties, ['ForceUpdateEnabled'], true),
      (d) => change(launchTemplate(d, group(d, 'kvstore', 0)), ['LaunchTemplateData', 'CreditSpecification', 'CpuCredits'], 'standard'),
      (d) => change(group(d, 'kvstore', 0).Properties, ['Labels', 'torc.io/dedicated'], 'other'),
      (d) => change(group(d, 'kvstore', 1).Properties, ['Subnets', 0, 'Fn::ImportValue'], 'VpcPrivateSubnet1Subnet'),
      (d) => change(launchTemplate(d, group(d, 'kvstore', 2)), ['LaunchTemplateData', 'BlockDeviceMappings', 0, 'Ebs', 'Encrypted'], false),
    ],
  },
  addOnLine('Add-on: VPC CNI, which enforces network policies', 'vpc-cni', 'before machines'),
  addOnLine('Add-on: CoreDNS', 'coredns', 'after machines'),
  addOnLine('Add-on: kube-proxy', 'kube-proxy', 'before machines'),
  addOnLine('Add-on: pod identity', 'eks-pod-identity-agent', 'before machines'),
  addOnLine('Add-on: EBS CSI driver, with a role of its own', 'aws-ebs-csi-driver', 'after machines'),
  {
    line: 'Add-on: AWS load balancer controller',
    holds: (d) => {
      const { properties, resource } = helmChart(d);
      assert.equal(properties['Chart'], 'aws-load-balancer-controller');
      assert.equal(properties['Namespace'], 'kube-system');
      const groups = Object.entries(resourcesOf(d)).filter(([, { Type }]) => Type === 'AWS::EKS::Nodegroup');
      for (const [id] of groups) assert.ok(resource.DependsOn?.includes(id));
      const policies = ofType(resourcesOf(d), 'AWS::IAM::Policy').map((policy) => JSON.stringify(policy));
      assert.ok(policies.some((policy) => policy.includes('elasticloadbalancing:RegisterTargets')));
    },
    breaks: [(d) => change(resourcesOf(d), [helmChart(d).id], undefined), (d) => change(helmChart(d).properties, ['Chart'], 'nginx')],
  },
];
