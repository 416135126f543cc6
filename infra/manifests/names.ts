/** Names that manifests refer to one another by. */
export const names = {
  /** The stateful set, its pods' prefix, and the service that clients inside the cluster use. */
  store: 'torc',
  /** The headless service that gives each pod a host name. */
  peers: 'torc-peers',
  config: 'torc',
  secret: 'torc-secret',
  /** Of the one value in it. */
  passwordKey: 'requirepass',
  storageClass: 'torc-gp3',
} as const;

export const selector = { 'app.kubernetes.io/name': 'torc' } as const;
/** Of the one service by whose addresses pods are scraped: all of them, ready or not. */
export const scraped = { 'torc/scraped': 'yes' } as const;
export const labels = { ...selector, 'app.kubernetes.io/component': 'store' } as const;

export const configDirectory = '/etc/torc';
/** A directory of its own on the volume: the file system keeps things at the volume's root. */
export const dataVolume = '/data';
export const dataDirectory = `${dataVolume}/torc`;
/** Where the image keeps the program. */
export const programDirectory = '/torc';
