/** Where a node listens, and where it says that it is. */
import { row } from '../directive.js';
import { announcedAddress, clientPort } from '../own-address.js';
import { bindAddresses, portNumber, portNumberOrNone, text } from '../value-types.js';

export const addressDirectives = {
  port: row({
    name: 'port',
    type: portNumberOrNone,
    default: '6379',
    whileRunning: false,
    doc: 'Where clients connect; 0 = by TLS only, at tls-port, from which others are derived then.',
  }),
  tlsPort: row({
    name: 'tls-port',
    type: portNumberOrNone,
    default: '0',
    whileRunning: false,
    doc: 'Where clients connect by TLS; 0 = nowhere.',
  }),
  bind: row({
    name: 'bind',
    type: bindAddresses,
    default: '127.0.0.1',
    whileRunning: false,
    doc: 'Addresses that all three ports listen on.',
  }),
  peerPort: row({
    name: 'peer-port',
    type: portNumber,
    default: (from) => String(clientPort(from) + 10000),
    defaultIs: 'port + 10000',
    whileRunning: false,
    doc: 'Where other nodes connect.',
  }),
  httpPort: row({
    name: 'http-port',
    type: portNumber,
    default: (from) => String(clientPort(from) + 2000),
    defaultIs: 'port + 2000',
    whileRunning: false,
    doc: 'Where /livez, /readyz, /startupz and /metrics are answered over HTTP.',
  }),
  announceHost: row({
    name: 'announce-host',
    type: text('needed'),
    default: announcedAddress,
    defaultIs: "bind's first address",
    whileRunning: false,
    doc: 'The address that nodes and cluster-aware clients are told to reach this node by.',
  }),
  announcePort: row({
    name: 'announce-port',
    type: portNumber,
    default: (from) => String(clientPort(from)),
    defaultIs: 'port',
    whileRunning: false,
    doc: 'The client port that cluster-aware clients are told.',
  }),
} as const;
