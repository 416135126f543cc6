/** By which addresses and names this machine is known, as far as it can tell. */
import { hostname, networkInterfaces } from 'node:os';
import type { DerivedFrom } from './directive.js';

/** Where clients connect, by TLS where there is no other way. */
export function clientPort({ port, tlsPort }: Pick<DerivedFrom, 'port' | 'tlsPort'>): number {
  return port === 0 ? tlsPort : port;
}

/** The address other machines reach this one by, as far as it can know. */
export function announcedAddress(from: DerivedFrom): string {
  const bound = from.bind[0] ?? '127.0.0.1';
  if (!isWildcard(bound)) return bound;
  const addresses = Object.values(networkInterfaces()).flatMap((addressesOfOne) => addressesOfOne ?? []);
  return addresses.find((address) => !address.internal && address.family === 'IPv4')?.address ?? '127.0.0.1';
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** A host name made fit for the type `label`. */
export function hostLabel(): string {
  return (
    hostname()
      .replaceAll(/[^a-z0-9._-]/gi, '-')
      .replace(/^[^a-z0-9]+/i, '')
      .slice(0, 48) || 'localhost'
  );
}
