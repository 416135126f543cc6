/**
 * The network layer to the specification's letter (1.1): us-east-1, 10.0.0.0/16, in each of three zones a private and a public subnet and a NAT gateway;
 * security group of the load balancer, network ACLs, flow logs.
 */
import { RemovalPolicy, Stack, type StackProps, Tags } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Parameters } from '../parameters.js';
import { ports } from '../ports.js';

export const region = 'us-east-1';
export const zones = ['us-east-1a', 'us-east-1b', 'us-east-1c'] as const;
export const vpcCidr = '10.0.0.0/16';
const subnetMask = 19;

/** Where replies to connections that were opened from inside arrive. Linux uses 32768 and up, NAT gateways 1024 and up. */
const repliesFrom = 1024;

export class NetworkStack extends Stack {
  readonly vpc: ec2.Vpc;
  readonly loadBalancerGroup: ec2.SecurityGroup;

  constructor(scope: Construct, id: string, props: StackProps & { readonly parameters: Parameters }) {
    super(scope, id, props);
    // The private group stands first: addresses are given out in this order, and the specification's private subnets come before the public ones.
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      ipAddresses: ec2.IpAddresses.cidr(vpcCidr),
      availabilityZones: [...zones],
      natGateways: zones.length,
      subnetConfiguration: [
        { name: 'Private', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS, cidrMask: subnetMask },
        { name: 'Public', subnetType: ec2.SubnetType.PUBLIC, cidrMask: subnetMask, mapPublicIpOnLaunch: false },
      ],
      restrictDefaultSecurityGroup: false, // by a function of its own; nothing is ever in that group
    });
    for (const subnet of this.vpc.privateSubnets) Tags.of(subnet).add('kubernetes.io/role/internal-elb', '1');
    for (const subnet of this.vpc.publicSubnets) Tags.of(subnet).add('kubernetes.io/role/elb', '1');
    this.addFlowLogs();
    this.addNetworkAcl('PrivateAcl', ec2.SubnetType.PRIVATE_WITH_EGRESS, []);
    this.addNetworkAcl('PublicAcl', ec2.SubnetType.PUBLIC, [ports.client, ports.tls]);
    this.loadBalancerGroup = this.addLoadBalancerGroup(props.parameters);
  }

  private addFlowLogs(): void {
    const group = new logs.LogGroup(this, 'FlowLogs', { retention: logs.RetentionDays.THREE_MONTHS, removalPolicy: RemovalPolicy.DESTROY });
    this.vpc.addFlowLog('FlowLog', {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(group),
      trafficType: ec2.FlowLogTrafficType.ALL,
    });
  }

  /**
   * Network ACLs remember no connections, so what is opened from inside needs its replies let in: TCP and UDP from 1024 up, and the ICMP message that
   * tells a sender that its packets are too large. Everything else from outside stays out; what exactly may talk to what, security groups say.
   */
  private addNetworkAcl(id: string, subnetType: ec2.SubnetType, openPorts: readonly number[]): void {
    const acl = new ec2.NetworkAcl(this, id, { vpc: this.vpc, subnetSelection: { subnetType } });
    let number = 0;
    const allow = (name: string, cidr: ec2.AclCidr, traffic: ec2.AclTraffic, direction: ec2.TrafficDirection): void => {
      number += 10;
      acl.addEntry(name, { cidr, traffic, direction, ruleNumber: number, ruleAction: ec2.Action.ALLOW });
    };
    const { INGRESS, EGRESS } = ec2.TrafficDirection;
    const anyone = ec2.AclCidr.anyIpv4();
    allow('FromVpc', ec2.AclCidr.ipv4(vpcCidr), ec2.AclTraffic.allTraffic(), INGRESS);
    for (const port of openPorts) allow(`Clients${port}`, anyone, ec2.AclTraffic.tcpPort(port), INGRESS);
    allow('TcpReplies', anyone, ec2.AclTraffic.tcpPortRange(repliesFrom, 65535), INGRESS);
    allow('UdpReplies', anyone, ec2.AclTraffic.udpPortRange(repliesFrom, 65535), INGRESS);
    allow('PacketTooLarge', anyone, ec2.AclTraffic.icmp({ type: 3, code: 4 }), INGRESS);
    allow('Out', anyone, ec2.AclTraffic.allTraffic(), EGRESS);
  }

  /** Clients reach the load balancer's listeners, and it reaches pods and their readiness; nothing more. */
  private addLoadBalancerGroup(parameters: Parameters): ec2.SecurityGroup {
    const group = new ec2.SecurityGroup(this, 'LoadBalancer', {
      vpc: this.vpc,
      allowAllOutbound: false,
      description: 'Torc load balancer',
    });
    const listeners = [
      ...(parameters.scheme === 'internal' ? [ports.client] : []),
      ...(parameters['certificate-arn'] === undefined ? [] : [ports.tls]),
    ];
    for (const cidr of parameters['client-cidrs'])
      for (const port of listeners) group.addIngressRule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(port), `clients from ${cidr} to port ${port}`);
    const inside = ec2.Peer.ipv4(vpcCidr);
    group.addEgressRule(inside, ec2.Port.tcp(ports.client), 'to pods');
    group.addEgressRule(inside, ec2.Port.tcp(ports.http), 'to the readiness of pods');
    return group;
  }
}
