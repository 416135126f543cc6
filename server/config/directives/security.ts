/** Who may speak to a node, and how each side knows the other. */
import { row } from '../directive.js';
import { integer, oneOf, secretText, text, userLines, yesOrNo } from '../value-types.js';

export const securityDirectives = {
  password: row({
    name: 'requirepass',
    type: text('may be empty'),
    default: '',
    whileRunning: true,
    isSecret: true,
    doc: 'The password of user default, which new clients then have to say; empty is none. Said by CONFIG SET it holds for the whole cluster.',
  }),
  users: row({
    name: 'user',
    type: userLines,
    default: '',
    whileRunning: false,
    inLines: true,
    isSecret: true,
    doc: 'A user of this node, as ACL SETUSER takes it, until a command says something else of it anywhere in the cluster.',
  }),
  aclFile: row({
    name: 'aclfile',
    type: text('may be empty'),
    default: '',
    whileRunning: false,
    doc: 'A file of user lines instead, which ACL LOAD reads and ACL SAVE writes.',
  }),
  aclLogEntriesMax: row({
    name: 'acllog-max-len',
    type: integer(0, 1_000_000),
    default: '128',
    whileRunning: true,
    doc: 'Entries that ACL LOG keeps.',
  }),
  protectedMode: row({
    name: 'protected-mode',
    type: yesOrNo,
    default: 'yes',
    whileRunning: true,
    doc: 'While user default has no password, take clients from this machine only.',
  }),
  clusterSecret: row({
    name: 'cluster-secret',
    type: secretText(16),
    default: '',
    whileRunning: false,
    isSecret: true,
    doc: 'What every node of the cluster knows, and proves to the others on each connection without sending it; empty = whoever reaches the peer port is spoken to.',
  }),
  tlsCertFile: row({
    name: 'tls-cert-file',
    type: text('may be empty'),
    default: '',
    whileRunning: true,
    doc: 'The certificate of this node, PEM, for clients and peers. CONFIG SET reads it anew, with the key and the authorities.',
  }),
  tlsKeyFile: row({ name: 'tls-key-file', type: text('may be empty'), default: '', whileRunning: true, doc: 'Its private key, PEM.' }),
  tlsCaCertFile: row({
    name: 'tls-ca-cert-file',
    type: text('may be empty'),
    default: '',
    whileRunning: true,
    doc: 'The authorities that sign the certificates of clients and peers, PEM.',
  }),
  tlsAuthClients: row({
    name: 'tls-auth-clients',
    type: oneOf('yes', 'no', 'optional'),
    default: 'yes',
    whileRunning: false,
    doc: 'Whether a client at tls-port has to show a certificate of tls-ca-cert-file: yes, no, or only a right one if any.',
  }),
  tlsCluster: row({
    name: 'tls-cluster',
    type: yesOrNo,
    default: 'no',
    whileRunning: false,
    doc: 'Speak TLS between nodes: each shows the other a certificate of tls-ca-cert-file. The same on every node.',
  }),
} as const;
