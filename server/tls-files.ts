/**
 * Certificate, key and authorities of a node, from the files that its directives name. Clients and peers get the same ones. CONFIG SET of any of the three, to the same name too, reads all of
 * them anew; a set that does not fit together is refused, and what was in force stays.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContextOptions } from 'node:tls';
import { ConfigurationError } from './config/configuration-file.js';
import type { Configuration, DirectiveKey } from './config/directives.js';
import type { RunningConfiguration } from './config/running-configuration.js';
import type { Log } from './log.js';

const tlsFileKeys = ['tlsCertFile', 'tlsKeyFile', 'tlsCaCertFile'] as const satisfies readonly DirectiveKey[];

type TlsDirectives = Pick<Configuration, (typeof tlsFileKeys)[number]>;

/** Of a server: what the other side shows is judged by refusesUntrusted(), since the runtime closes such connections without a word. */
export const askedForCertificate = { requestCert: true, rejectUnauthorized: false } as const;

/** Destroys a connection whose certificate is missing, expired or of another authority, and says so. `optional`: a missing one is right. */
export function refusesUntrusted(socket: Socket, tls: { refused(address: string, reason: string): void }, optional = false): boolean {
  if (!(socket instanceof TLSSocket) || socket.authorized) return false;
  if (optional && Object.keys(socket.getPeerCertificate()).length === 0) return false;
  tls.refused(socket.remoteAddress ?? '?', String(socket.authorizationError));
  socket.on('error', () => socket.destroy());
  socket.destroy();
  return true;
}

/** How long a hand-shake may take. */
export const tlsHandshakeTimeoutMs = 5000;

/** Throws the system's error or OpenSSL's. */
function read({ tlsCertFile, tlsKeyFile, tlsCaCertFile }: TlsDirectives): SecureContextOptions {
  const options: SecureContextOptions = { minVersion: 'TLSv1.2', cert: readFileSync(tlsCertFile), key: readFileSync(tlsKeyFile) };
  if (tlsCaCertFile !== '') options.ca = readFileSync(tlsCaCertFile);
  createSecureContext(options);
  return options;
}

export class TlsFiles {
  private current: SecureContextOptions;
  private readonly listeners: ((options: SecureContextOptions) => void)[] = [];

  /** Throws ConfigurationError. */
  constructor(running: RunningConfiguration, log: Log) {
    try {
      this.current = read(running.current);
    } catch (cause) {
      throw new ConfigurationError(`the TLS files cannot be used: ${messageOf(cause)}`, { cause });
    }
    let checked: SecureContextOptions | undefined;
    running.checkSet(tlsFileKeys, (next) => {
      try {
        checked = read(next);
        return undefined;
      } catch (error) {
        log.warning({ event: 'tls-refused', reason: messageOf(error) }, `the TLS files cannot be used: ${messageOf(error)}`);
        return 'Unable to update TLS configuration. Check server logs.';
      }
    });
    for (const key of tlsFileKeys)
      running.onSet(key, () => {
        if (checked === undefined) return;
        this.current = checked;
        checked = undefined;
        log.notice({ event: 'tls-reloaded' }, 'certificate, key and authorities were read anew: new connections use them');
        for (const listener of this.listeners) listener(this.current);
      });
  }

  /** Of connections that begin now. */
  get options(): SecureContextOptions {
    return this.current;
  }

  onReload(listener: (options: SecureContextOptions) => void): void {
    this.listeners.push(listener);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
