/** For tests: a command that fails by an error of this program fails the test. */
import { FailedCommands } from '../../cluster/failed-commands.js';

export const noFailedCommands = new FailedCommands((_level, message) => {
  throw new Error(message);
});
