/**
 * The directives of a running node: what CONFIG GET prints and CONFIG SET changes.
 *
 * Invariant: `current` is always a whole configuration that passed every check; CONFIG SET replaces it at once or not at all, and only then
 * tells listeners. Error texts are those of Redis 7 (`configSetCommand` in src/config.c), without the leading `ERR `.
 */
import { readFile } from 'node:fs/promises';
import type { RunningConfiguration as ConfigurationInterface } from '../local-context.js';
import { matchesGlob } from '../glob-pattern.js';
import { directiveKeyOf, directiveKeys, directiveOf, directives, type Configuration, type DirectiveKey } from './directives.js';
import { conflictWithin } from './load-configuration.js';
import { replaceFile } from './replaced-file.js';
import { rewrittenConfiguration } from './rewritten-configuration.js';
import { Refusal } from './value-types.js';

export class RunningConfiguration implements ConfigurationInterface {
  #current: Configuration;
  readonly #listeners = new Map<DirectiveKey, ((configuration: Configuration) => void)[]>();
  readonly #checks: { readonly keys: readonly DirectiveKey[]; readonly check: (next: Configuration) => string | undefined }[] = [];
  readonly #setListeners = new Map<DirectiveKey, (configuration: Configuration) => void>();

  /** `file` is the one the node was started with, if any. */
  constructor(
    initial: Configuration,
    private readonly file?: string,
  ) {
    this.#current = initial;
  }

  /** The configuration in force. Read it each time: CONFIG SET replaces the object. */
  get current(): Configuration {
    return this.#current;
  }

  /** Calls `listener` with the whole new configuration after each CONFIG SET that gave `key` a new value. */
  onChange(key: DirectiveKey, listener: (configuration: Configuration) => void): void {
    const listeners = this.#listeners.get(key);
    if (listeners === undefined) this.#listeners.set(key, [listener]);
    else listeners.push(listener);
  }

  /** Calls `listener` after each CONFIG SET that names `key`, whether or not its value is new. */
  onSet(key: DirectiveKey, listener: (configuration: Configuration) => void): void {
    this.#setListeners.set(key, listener);
  }

  /** `check` is asked about a CONFIG SET that names one of `keys`, and says why it cannot be. */
  checkSet(keys: readonly DirectiveKey[], check: (next: Configuration) => string | undefined): void {
    this.#checks.push({ keys, check });
  }

  matching(patterns: readonly string[]): readonly (readonly [name: string, value: string])[] {
    const globs = patterns.map((pattern) => Buffer.from(pattern));
    const isWanted = (name: Buffer): boolean => globs.some((glob) => matchesGlob(glob, name, true));
    return directiveKeys
      .filter((key) => directiveOf(key).inLines !== true && isWanted(Buffer.from(directives[key].name)))
      .map((key) => [directives[key].name, this.#formatted(key)] as const);
  }

  set(pairs: readonly (readonly [name: string, value: string])[]): string | undefined {
    const changes = new Map<DirectiveKey, string>();
    for (const [name, value] of pairs) {
      const key = directiveKeyOf(name);
      if (key === undefined || directiveOf(key).inLines === true) return `Unknown option or number of arguments for CONFIG SET - '${name}'`;
      if (!directives[key].whileRunning) return failure(name, "can't set immutable config");
      if (changes.has(key)) return failure(name, 'duplicate parameter');
      changes.set(key, value);
    }
    const next: Record<DirectiveKey, unknown> = { ...this.#current };
    for (const [key, text] of changes) {
      const { name, type } = directiveOf(key);
      const value = type.parse(text, this.#current[key]);
      if (value instanceof Refusal) return failure(name, value.reason);
      next[key] = value;
    }
    const conflict = conflictWithin(next as Configuration);
    if (conflict !== undefined) return failure(directives[conflict.key].name, `${directives[conflict.key].name} ${conflict.reason}`);
    for (const { keys, check } of this.#checks) {
      const named = keys.find((key) => changes.has(key));
      const reason = named === undefined ? undefined : check(next as Configuration);
      if (named !== undefined && reason !== undefined) return failure(directives[named].name, reason);
    }
    this.#replace(Object.freeze(next as Configuration), [...changes.keys()]);
    return undefined;
  }

  async rewrite(): Promise<string | undefined> {
    if (this.file === undefined) return 'The server is running without a config file';
    try {
      const before = await readFile(this.file, 'utf8');
      await replaceFile(this.file, rewrittenConfiguration(before, this.#current));
      return undefined;
    } catch (error) {
      return `Rewriting config file: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #replace(next: Configuration, keys: readonly DirectiveKey[]): void {
    const before = keys.map((key) => this.#formatted(key));
    this.#current = next;
    for (const [index, key] of keys.entries()) {
      const isNew = this.#formatted(key) !== before[index];
      if (isNew) for (const listener of this.#listeners.get(key) ?? []) listener(next);
      this.#setListeners.get(key)?.(next);
    }
  }

  #formatted(key: DirectiveKey): string {
    return directiveOf(key).type.format(this.#current[key]);
  }
}

function failure(name: string, reason: string): string {
  return `CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
}
