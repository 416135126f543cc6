/** Users whose records are in memory: those of a cluster of one that forgets all when it ends. */
import { CommandSet } from '../../../server/acl/command-set.js';
import type { User } from '../../../server/acl/user.js';
import { Users, type UserRecords } from '../../../server/acl/users.js';
import { allRows } from '../../../server/commands/all.js';
import { redisCommands } from '../../../server/commands/redis-commands.js';

export const commands = new CommandSet(
  allRows,
  redisCommands.map(({ name }) => name),
);

export function memoryRecords(): UserRecords {
  const records = new Map<string, { readonly name: string; readonly value: Buffer | undefined }>();
  const listeners: ((names: readonly string[]) => void)[] = [];
  return {
    get: (name) => records.get(name),
    all: () => records.values(),
    onChange: (listener) => void listeners.push(listener),
    put(changes) {
      for (const [name, value] of changes) records.set(name, { name, value });
      for (const listener of listeners) listener(changes.map(([name]) => name));
      return Promise.resolve();
    },
  };
}

export function memoryUsers(fromFiles: ReadonlyMap<string, User> = new Map(), records = memoryRecords()): Users {
  const notUnderstood = (name: string, reason: string): void => {
    throw new Error(`${name}: ${reason}`);
  };
  return new Users({ records, commands, notUnderstood }, fromFiles);
}
