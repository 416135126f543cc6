/**
 * The table of directives: one row each (directives/), and nothing about a directive stands anywhere else. The configuration's type, its parser, CONFIG GET
 * and SET, the command line and the help text all read these rows. Names, syntax and defaults are Redis' (redis.conf 7.2) where Redis has the directive.
 */
import type { Directive } from './directive.js';
import { addressDirectives } from './directives/addresses.js';
import { clientDirectives } from './directives/clients.js';
import { compatibilityDirectives } from './directives/compatibility.js';
import { membershipDirectives } from './directives/membership.js';
import { observationDirectives } from './directives/observation.js';
import { repairDirectives } from './directives/repair.js';
import { securityDirectives } from './directives/security.js';
import { storageDirectives } from './directives/storage.js';

export const directives = {
  ...addressDirectives,
  ...membershipDirectives,
  ...storageDirectives,
  ...repairDirectives,
  ...clientDirectives,
  ...securityDirectives,
  ...observationDirectives,
  ...compatibilityDirectives,
} as const;

export type DirectiveKey = keyof typeof directives;

type ValueOf<D> = D extends Directive<infer T> ? T : never;

/** Every directive's value, typed. */
export type Configuration = { readonly [Key in DirectiveKey]: ValueOf<(typeof directives)[Key]> };

/** The keys in the table's order. */
export const directiveKeys = Object.keys(directives) as readonly DirectiveKey[];

const keyByName: ReadonlyMap<string, DirectiveKey> = new Map(directiveKeys.map((key) => [directives[key].name, key]));

/** The names in the table's order. */
export const directiveNames: readonly string[] = [...keyByName.keys()];

/** Case does not matter, as in Redis. */
export function directiveKeyOf(name: string): DirectiveKey | undefined {
  return keyByName.get(name.toLowerCase());
}

/** A directive's row with its value's type forgotten, for code that goes over all rows alike. */
export function directiveOf(key: DirectiveKey): Directive<unknown> {
  return directives[key] as Directive<unknown>;
}
