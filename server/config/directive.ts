/**
 * What a row of the table of directives says (directives/). A row's key is the field of `Configuration`, with the unit in its name; `name` is what is written in a
 * file, after `--`, and in CONFIG.
 */
import type { ValueType } from './value-types.js';

/** What a default may be derived from. Rows are read in the table's order, and these stand before the rows that need them. */
export interface DerivedFrom {
  readonly port: number;
  readonly tlsPort: number;
  readonly bind: readonly string[];
  readonly replicas: number;
}

export interface Directive<T> {
  readonly name: string;
  readonly type: ValueType<T>;
  /** As it would be written; or how it follows from the directives it is derived from. */
  readonly default: string | ((from: DerivedFrom) => string);
  /** How the help text shows a derived default. */
  readonly defaultIs?: string;
  readonly unit?: string;
  /** It may be changed by CONFIG SET, on that node: whoever uses it reads it each time or listens for its change. */
  readonly whileRunning: boolean;
  /** Written once a line as often as one likes; neither shown nor changed by CONFIG, and left where it stands by CONFIG REWRITE. */
  readonly inLines?: boolean;
  /** Not to be shown in a log or an error. */
  readonly isSecret?: boolean;
  readonly doc: string;
}

export function row<T>(directive: Directive<T>): Directive<T> {
  return directive;
}

export const maxInt = 2 ** 31 - 1;
export const mebibyte = 1024 ** 2;
