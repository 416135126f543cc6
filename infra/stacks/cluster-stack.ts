/**
 * The compute layer to the specification's letter (1.2): an EKS control plane; node groups general purpose (t3.medium) and KVStore (t3.large); the
 * add-ons VPC CNI, CoreDNS, kube-proxy and AWS load balancer controller; and what EBS volumes and pod identities take.
 */
import { KubectlV36Layer } from '@aws-cdk/lambda-layer-kubectl-v36';
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import type { Parameters } from '../parameters.js';
import { dedicated } from '../ports.js';
import { vpcCidr, zones } from './network-stack.js';

const diskGiB = 30;

export class ClusterStack extends Stack {
  readonly cluster: eks.Cluster;

  constructor(scope: Construct, id: string, props: StackProps & { readonly parameters: Parameters; readonly vpc: ec2.IVpc }) {
    super(scope, id, props);
    const { parameters, vpc } = props;
    const apiCidrs = parameters['api-cidrs'];
    this.cluster = new eks.Cluster(this, 'Cluster', {
      version: eks.KubernetesVersion.V1_36,
      vpc,
      vpcSubnets: [{ subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }],
      clusterLogging: Object.values(eks.ClusterLoggingTypes),
      endpointAccess: apiCidrs.length === 0 ? eks.EndpointAccess.PRIVATE : eks.EndpointAccess.PUBLIC_AND_PRIVATE.onlyFrom(...apiCidrs),
      secretsEncryptionKey: new kms.Key(this, 'SecretsKey', { enableKeyRotation: true, description: 'Kubernetes secrets of Torc' }),
      defaultCapacityType: eks.DefaultCapacityType.NODEGROUP,
      defaultCapacity: 0,
      bootstrapSelfManagedAddons: false,
      albController: {
        version: eks.AlbControllerVersion.V3_2_2,
        // Where the controller is away, pods come without waiting for the load balancer rather than not at all.
        additionalHelmChartValues: { podMutatorWebhookConfig: { failurePolicy: 'Ignore' } },
      },
      kubectlProviderOptions: { kubectlLayer: new KubectlV36Layer(this, 'Kubectl') },
    });
    // The API's private address answers nobody but machines and pods of the cluster by itself.
    this.cluster.connections.allowDefaultPortFrom(ec2.Peer.ipv4(vpcCidr), 'Kubernetes API from inside the VPC');
    new CfnOutput(this, 'Name', { value: this.cluster.clusterName, description: 'aws eks update-kubeconfig --name this' });
    const adminRole = parameters['admin-role-arn'];
    if (adminRole !== undefined) this.cluster.grantClusterAdmin('Administrators', adminRole);
    // Pods get no address without the first two, and no permissions without the third: they come before the machines.
    const early = [this.addOn('vpc-cni', { enableNetworkPolicy: 'true' }), this.addOn('kube-proxy'), this.addOn('eks-pod-identity-agent')];
    const groups = this.addNodeGroups(parameters);
    for (const group of groups) group.node.addDependency(...early);
    for (const late of [this.addOn('coredns'), this.addEbsDriver()]) late.node.addDependency(...groups);
    this.cluster.albController?.node.addDependency(...groups);
  }

  private addOn(addonName: string, configurationValues?: Record<string, string>): eks.Addon {
    return new eks.Addon(this, `AddOn-${addonName}`, {
      cluster: this.cluster,
      addonName,
      ...(configurationValues === undefined ? {} : { configurationValues }),
    });
  }

  /** Volumes are made and attached with a role that the driver's pods alone get, by pod identity. */
  private addEbsDriver(): eks.CfnAddon {
    const role = new iam.Role(this, 'EbsDriverRole', {
      assumedBy: new iam.SessionTagsPrincipal(new iam.ServicePrincipal('pods.eks.amazonaws.com')),
      managedPolicies: [iam.ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonEBSCSIDriverPolicy')],
    });
    return new eks.CfnAddon(this, 'AddOn-aws-ebs-csi-driver', {
      clusterName: this.cluster.clusterName,
      addonName: 'aws-ebs-csi-driver',
      podIdentityAssociations: [{ serviceAccount: 'ebs-csi-controller-sa', roleArn: role.roleArn }],
    });
  }

  private addNodeGroups(parameters: Parameters): eks.Nodegroup[] {
    const { vpc } = this.cluster;
    const managed = (name: string): iam.IManagedPolicy => iam.ManagedPolicy.fromAwsManagedPolicyName(name);
    const nodeRole = new iam.Role(this, 'NodeRole', {
      assumedBy: new iam.ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: [
        managed('AmazonEKSWorkerNodePolicy'),
        managed('AmazonEKS_CNI_Policy'),
        managed('AmazonEC2ContainerRegistryReadOnly'),
      ],
    });
    const general = this.nodeGroup('GeneralPurpose', 't3.medium', {
      ...sized(zones.length),
      nodeRole,
      subnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
      labels: { 'torc.io/group': 'general-purpose' },
    });
    // A volume lives in one zone, so each zone has a group of its own: one over all zones might come back in another.
    const perZone = Math.ceil(parameters.nodes / zones.length);
    const stores = zones.map((zone, index) =>
      this.nodeGroup(`KvStore-${zone}`, 't3.large', {
        ...sized(perZone),
        nodeRole,
        subnets: { subnets: vpc.privateSubnets.slice(index, index + 1) },
        labels: { 'torc.io/group': dedicated.value, [dedicated.key]: dedicated.value },
        taints: [{ ...dedicated, effect: eks.TaintEffect.NO_SCHEDULE }],
      }),
    );
    // One after the other, also when they change: two zones away at once would stop writes.
    for (const [index, group] of stores.slice(1).entries()) group.node.addDependency(stores[index] as eks.Nodegroup);
    return [general, ...stores];
  }

  private nodeGroup(
    id: string,
    instanceType: string,
    options: Omit<eks.NodegroupOptions, 'launchTemplateSpec' | 'instanceTypes'>,
  ): eks.Nodegroup {
    const template = new ec2.LaunchTemplate(this, `${id}-Template`, {
      requireImdsv2: true,
      httpPutResponseHopLimit: 1, // a pod reaches no credentials of the machine it runs on
      cpuCredits: ec2.CpuCredits.UNLIMITED, // billed when they are used up, and not slowed down
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: ec2.BlockDeviceVolume.ebs(diskGiB, { encrypted: true, volumeType: ec2.EbsDeviceVolumeType.GP3 }),
        },
      ],
    });
    return new eks.Nodegroup(this, id, {
      cluster: this.cluster,
      amiType: eks.NodegroupAmiType.AL2023_X86_64_STANDARD,
      instanceTypes: [new ec2.InstanceType(instanceType)],
      launchTemplateSpec: { id: template.launchTemplateId ?? '', version: template.latestVersionNumber },
      enableNodeAutoRepair: true,
      forceUpdate: false, // true would end pods whatever their disruption budget says
      ...options,
    });
  }
}

/** With room for one more while machines are replaced. */
function sized(nodes: number): { readonly minSize: number; readonly desiredSize: number; readonly maxSize: number } {
  return { minSize: nodes, desiredSize: nodes, maxSize: nodes + 1 };
}
