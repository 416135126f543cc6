/** The users of a node on the real machine: from its files and its cluster's records, and what a change of them means for its connections. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { SystemRecordsError, type SystemRecords } from '../cluster/system-records.js';
import { CommandSet } from './acl/command-set.js';
import { defaultUserName, type User } from './acl/user.js';
import { aclFileOf, UserLineError, usersOfAclFile, usersOfConfiguration, withPassword } from './acl/user-files.js';
import { Users } from './acl/users.js';
import type { ClientGate } from './client-gate.js';
import { allRows } from './commands/all.js';
import { redisCommands } from './commands/redis-commands.js';
import { ConfigurationError } from './config/configuration-file.js';
import type { Configuration } from './config/directives.js';
import { replaceFile } from './config/replaced-file.js';
import type { RunningConfiguration } from './config/running-configuration.js';
import type { Connection } from './connection.js';
import type { AclFile } from './local-context.js';
import type { Log } from './log.js';

interface NodeUsersOptions {
  readonly running: RunningConfiguration;
  readonly records: SystemRecords;
  readonly gate: ClientGate;
  readonly connections: () => readonly Connection[];
  readonly log: Log;
}

const commands = new CommandSet(
  allRows,
  redisCommands.map(({ name }) => name),
);

/** What this node's files say. Throws ConfigurationError: one line that names the place and no password. */
export function usersOfFiles({
  password,
  users,
  aclFile,
}: Pick<Configuration, 'password' | 'users' | 'aclFile'>): ReadonlyMap<string, User> {
  try {
    const given = usersOfConfiguration(password, users, commands);
    return aclFile === '' ? given : new Map([...given, ...usersOfAclFile(readFileSync(aclFile), aclFile, commands)]);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError(error instanceof UserLineError ? reason : `cannot read the ACL file ${aclFile}: ${reason}`, {
      cause: error,
    });
  }
}

/** Undefined when the directive is empty. */
export function aclFileAt(path: string): AclFile | undefined {
  if (path === '') return undefined;
  return {
    read: async () => usersOfAclFile(await readFile(path), path, commands),
    write: (users) => replaceFile(path, aclFileOf(users)),
  };
}

export function nodeUsers(fromFiles: ReadonlyMap<string, User>, { running, records, gate, connections, log }: NodeUsersOptions): Users {
  const users = new Users(
    {
      records,
      commands,
      notUnderstood: (user, reason) => log.warning({ event: 'user-not-understood', user, reason }, `user '${user}' is off here: ${reason}`),
    },
    fromFiles,
  );
  users.onChange((names) => {
    for (const name of names)
      log.notice({ event: 'user-changed', user: name }, `user '${name}' ${users.get(name) ? 'has changed' : 'is gone'}`);
    for (const connection of connections()) if (names.has(connection.user.name)) connection.userChanged(users.get(connection.user.name));
  });
  for (const name of users.overridden())
    log.warning(
      { event: 'user-overridden', user: name },
      `what this node's files say of user '${name}' does not count: a command said something else`,
    );
  // Also where this node's own value stays as it is: another node, or ACL SETUSER, may have given another password.
  running.onSet('password', ({ password }) => {
    try {
      users.change([withPassword(users.default, password)]).catch((error: unknown) => log.warning({ event: 'users' }, String(error)));
    } catch (error) {
      if (!(error instanceof SystemRecordsError)) throw error;
      users.setFromFiles(new Map([...fromFiles, [defaultUserName, withPassword(users.default, password)]]));
    }
  });
  records.onComparison(() => {
    // Whoever came while this node did not know its users was let in by what it knew then: asked anew before anything it said is run.
    if (!records.isCatchingUp) for (const connection of connections()) connection.usersKnown();
    gate.setStarting(records.isCatchingUp);
  });
  return users;
}
