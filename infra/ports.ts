/** The ports of a deployed node. Inside the image they are Torc's defaults: client P, peers P+10000, HTTP P+2000. */
export const ports = {
  client: 6379,
  /** Of the load balancer alone, which ends TLS there. */
  tls: 6380,
  http: 8379,
  peer: 16379,
} as const;

/** Which machines pods of Torc run on, and nothing else does. */
export const dedicated = { key: 'torc.io/dedicated', value: 'kvstore' } as const;

/** The user and group that the image runs as. */
export const imageUser = 10001;
