/** The specification's 1.1, and what of 5 is of the network. */
import assert from 'node:assert/strict';
import { at, type Deployment, type Fields, ofType, only, type Resource } from '../assembly.js';
import { change, type Line } from './deployment.js';

const resourcesOf = (deployment: Deployment): Record<string, Resource> => deployment.resources.TorcNetwork;

function subnet(deployment: Deployment, cidr: string) {
  return only(resourcesOf(deployment), 'AWS::EC2::Subnet', ({ CidrBlock }) => CidrBlock === cidr);
}

/** The default route of the one table that a subnet is associated with. */
function defaultRoute(deployment: Deployment, subnetId: string) {
  const resources = resourcesOf(deployment);
  const { properties } = only(resources, 'AWS::EC2::SubnetRouteTableAssociation', ({ SubnetId }) => at(SubnetId, 'Ref') === subnetId);
  const table = at(properties, 'RouteTableId', 'Ref');
  return only(
    resources,
    'AWS::EC2::Route',
    (route) => at(route, 'RouteTableId', 'Ref') === table && route['DestinationCidrBlock'] === '0.0.0.0/0',
  ).properties;
}

function natOf(deployment: Deployment, publicCidr: string) {
  const { id } = subnet(deployment, publicCidr);
  return only(resourcesOf(deployment), 'AWS::EC2::NatGateway', ({ SubnetId }) => at(SubnetId, 'Ref') === id);
}

/** One availability zone's three lines. */
function zoneLines(letter: string, zone: string, publicCidr: string, privateCidr: string, number: number): Line[] {
  const isIn = (deployment: Deployment, cidr: string): Fields => {
    const { properties } = subnet(deployment, cidr);
    assert.equal(properties['AvailabilityZone'], zone);
    assert.equal(properties['MapPublicIpOnLaunch'], false);
    return properties;
  };
  return [
    {
      line: `Availability zone ${letter}: public subnet ${publicCidr}`,
      holds: (d) => {
        isIn(d, publicCidr);
        const gateway = only(resourcesOf(d), 'AWS::EC2::InternetGateway').id;
        assert.deepEqual(defaultRoute(d, subnet(d, publicCidr).id)['GatewayId'], { Ref: gateway });
      },
      breaks: [
        (d) => change(subnet(d, publicCidr).properties, ['CidrBlock'], '10.0.192.0/19'),
        (d) => change(subnet(d, publicCidr).properties, ['AvailabilityZone'], 'us-east-1f'),
        (d) => change(defaultRoute(d, subnet(d, publicCidr).id), ['GatewayId'], undefined),
      ],
    },
    {
      line: `Availability zone ${letter}: private subnet ${privateCidr}`,
      holds: (d) => {
        isIn(d, privateCidr);
        assert.deepEqual(defaultRoute(d, subnet(d, privateCidr).id)['NatGatewayId'], { Ref: natOf(d, publicCidr).id });
      },
      breaks: [
        (d) => change(subnet(d, privateCidr).properties, ['CidrBlock'], '10.0.192.0/19'),
        (d) => change(subnet(d, privateCidr).properties, ['MapPublicIpOnLaunch'], true),
        (d) => change(defaultRoute(d, subnet(d, privateCidr).id), ['NatGatewayId', 'Ref'], 'another'),
      ],
    },
    {
      line: `Availability zone ${letter}: NAT gateway ${number}`,
      holds: (d) => {
        const address = at(natOf(d, publicCidr).properties, 'AllocationId', 'Fn::GetAtt', 0);
        assert.equal(resourcesOf(d)[String(address)]?.Type, 'AWS::EC2::EIP');
      },
      breaks: [
        (d) => change(resourcesOf(d), [natOf(d, publicCidr).id], undefined),
        (d) => change(natOf(d, publicCidr).properties, ['AllocationId'], undefined),
      ],
    },
  ];
}

interface Packet {
  readonly direction: 'in' | 'out';
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly other: 'vpc' | 'internet';
}

const protocolNumbers = { tcp: 6, udp: 17 } as const;

/** Whether a network ACL lets a packet through: the rule of the lowest number that matches decides, and no rule refuses. */
function admits(deployment: Deployment, acl: string, { direction, protocol, port, other }: Packet): boolean {
  const rules = ofType(resourcesOf(deployment), 'AWS::EC2::NetworkAclEntry')
    .filter((rule) => at(rule, 'NetworkAclId', 'Ref') === acl && rule['Egress'] === (direction === 'out'))
    .toSorted((a, b) => Number(a['RuleNumber']) - Number(b['RuleNumber']));
  assert.equal(new Set(rules.map((rule) => rule['RuleNumber'])).size, rules.length, 'rule numbers repeat');
  const rule = rules.find(
    (one) =>
      (one['CidrBlock'] === '0.0.0.0/0' || (one['CidrBlock'] === '10.0.0.0/16' && other === 'vpc')) &&
      (one['Protocol'] === -1 ||
        (one['Protocol'] === protocolNumbers[protocol] &&
          Number(at(one, 'PortRange', 'From')) <= port &&
          port <= Number(at(one, 'PortRange', 'To')))),
  );
  return rule?.['RuleAction'] === 'allow';
}

/** The ACL of a subnet. */
function aclOf(deployment: Deployment, cidr: string): string {
  const { id } = subnet(deployment, cidr);
  const { properties } = only(
    resourcesOf(deployment),
    'AWS::EC2::SubnetNetworkAclAssociation',
    ({ SubnetId }) => at(SubnetId, 'Ref') === id,
  );
  return String(at(properties, 'NetworkAclId', 'Ref'));
}

const privateCidrs = ['10.0.0.0/19', '10.0.32.0/19', '10.0.64.0/19'];
const publicCidrs = ['10.0.96.0/19', '10.0.128.0/19', '10.0.160.0/19'];

function removeAclEntry(deployment: Deployment, is: (entry: Fields) => boolean): void {
  const resources = resourcesOf(deployment);
  const found = Object.keys(resources).filter((id) => resources[id]?.Type === 'AWS::EC2::NetworkAclEntry' && is(resources[id].Properties));
  assert.ok(found.length > 0);
  for (const id of found) delete resources[id];
}

const loadBalancerGroup = (deployment: Deployment) => only(resourcesOf(deployment), 'AWS::EC2::SecurityGroup');

export const networkLines: readonly Line[] = [
  {
    line: 'AWS, region us-east-1',
    holds: (d) => assert.deepEqual(Object.values(d.environments), Array(3).fill('aws://unknown-account/us-east-1')),
    breaks: [(d) => change(d.environments, ['TorcCluster'], 'aws://unknown-account/us-west-2')],
  },
  {
    line: 'VPC 10.0.0.0/16',
    holds: (d) => assert.equal(only(resourcesOf(d), 'AWS::EC2::VPC').properties['CidrBlock'], '10.0.0.0/16'),
    breaks: [(d) => change(only(resourcesOf(d), 'AWS::EC2::VPC').properties, ['CidrBlock'], '10.1.0.0/16')],
  },
  ...zoneLines('A', 'us-east-1a', '10.0.96.0/19', '10.0.0.0/19', 1),
  ...zoneLines('B', 'us-east-1b', '10.0.128.0/19', '10.0.32.0/19', 2),
  ...zoneLines('C', 'us-east-1c', '10.0.160.0/19', '10.0.64.0/19', 3),
  {
    line: 'Three public subnets, three private subnets, three NAT gateways',
    holds: (d) => {
      const cidrs = ofType(resourcesOf(d), 'AWS::EC2::Subnet').map(({ CidrBlock }) => String(CidrBlock));
      assert.deepEqual(cidrs.toSorted(), [...privateCidrs, ...publicCidrs].toSorted());
      assert.equal(ofType(resourcesOf(d), 'AWS::EC2::NatGateway').length, 3);
    },
    breaks: [
      (d) => change(resourcesOf(d), [subnet(d, '10.0.64.0/19').id], undefined),
      (d) => change(resourcesOf(d), [natOf(d, '10.0.96.0/19').id], undefined),
    ],
  },
  {
    line: 'Security group: clients in, pods and their readiness out, and nothing else',
    holds: (d) => {
      const { properties } = loadBalancerGroup(d);
      const rules = (name: string): unknown[] =>
        (properties[name] as Fields[]).map((rule) => [rule['CidrIp'], rule['IpProtocol'], rule['FromPort'], rule['ToPort']]);
      assert.deepEqual(rules('SecurityGroupIngress'), [['10.0.0.0/16', 'tcp', 6379, 6379]]);
      assert.deepEqual(rules('SecurityGroupEgress'), [
        ['10.0.0.0/16', 'tcp', 6379, 6379],
        ['10.0.0.0/16', 'tcp', 8379, 8379],
      ]);
    },
    breaks: [
      (d) => change(loadBalancerGroup(d).properties, ['SecurityGroupIngress', 0, 'CidrIp'], '0.0.0.0/0'),
      (d) => change(loadBalancerGroup(d).properties, ['SecurityGroupEgress', 1, 'ToPort'], 9000),
    ],
  },
  {
    line: 'Network ACLs: every subnet has one; replies and the VPC come in, strangers do not',
    holds: (d) => {
      for (const cidr of [...privateCidrs, ...publicCidrs]) {
        const passes = (packet: Packet): boolean => admits(d, aclOf(d, cidr), packet);
        // Replies to what was opened from inside: to Linux' and to a NAT gateway's ephemeral ports.
        for (const port of [1024, 32768, 65535])
          for (const protocol of ['tcp', 'udp'] as const)
            assert.ok(passes({ direction: 'in', protocol, port, other: 'internet' }), `${cidr}: ${protocol} ${port}`);
        for (const port of [22, 443, 6379, 8379, 16379])
          assert.ok(passes({ direction: 'in', protocol: 'tcp', port, other: 'vpc' }), `${cidr}: ${port} from the VPC`);
        for (const port of [53, 443, 40000])
          for (const other of ['vpc', 'internet'] as const)
            assert.ok(passes({ direction: 'out', protocol: 'tcp', port, other }), `${cidr}: out to ${port}`);
        for (const port of [22, 80, 443, 1023])
          assert.ok(!passes({ direction: 'in', protocol: 'tcp', port, other: 'internet' }), `${cidr}: ${port} is open`);
      }
      for (const cidr of publicCidrs)
        assert.ok(admits(d, aclOf(d, cidr), { direction: 'in', protocol: 'tcp', port: 6379, other: 'internet' }));
    },
    breaks: [
      (d) => removeAclEntry(d, (entry) => entry['Protocol'] === 6 && at(entry, 'PortRange', 'From') === 1024),
      (d) => removeAclEntry(d, (entry) => entry['Protocol'] === 17),
      (d) => removeAclEntry(d, (entry) => entry['CidrBlock'] === '10.0.0.0/16'),
      (d) => removeAclEntry(d, (entry) => entry['Egress'] === true),
      (d) => {
        for (const entry of ofType(resourcesOf(d), 'AWS::EC2::NetworkAclEntry'))
          if (at(entry, 'PortRange', 'From') === 1024) change(entry, ['PortRange', 'From'], 20);
      },
      (d) =>
        change(
          resourcesOf(d),
          [
            only(
              resourcesOf(d),
              'AWS::EC2::SubnetNetworkAclAssociation',
              ({ SubnetId }) => at(SubnetId, 'Ref') === subnet(d, '10.0.32.0/19').id,
            ).id,
          ],
          undefined,
        ),
    ],
  },
  {
    line: 'Flow logs: all traffic of the VPC',
    holds: (d) => {
      const resources = resourcesOf(d);
      const { properties } = only(resources, 'AWS::EC2::FlowLog');
      assert.deepEqual(properties['ResourceId'], { Ref: only(resources, 'AWS::EC2::VPC').id });
      assert.equal(properties['TrafficType'], 'ALL');
      const group = resources[String(at(properties, 'LogGroupName', 'Ref'))];
      assert.equal(group?.Type, 'AWS::Logs::LogGroup');
      assert.equal(group.Properties['RetentionInDays'], 90);
    },
    breaks: [
      (d) => change(only(resourcesOf(d), 'AWS::EC2::FlowLog').properties, ['TrafficType'], 'REJECT'),
      (d) => change(resourcesOf(d), [only(resourcesOf(d), 'AWS::EC2::FlowLog').id], undefined),
    ],
  },
];
