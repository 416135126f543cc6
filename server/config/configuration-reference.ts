/** docs/configuration.md, made from the table of directives. `npm run docs` writes it. */
import { directiveKeys, directiveOf, type DirectiveKey } from './directives.js';
import { environmentName } from './environment.js';

const cell = (text: string): string => text.replaceAll('|', '\\|');

function line(key: DirectiveKey): string {
  const { name, type, default: byDefault, defaultIs, unit, whileRunning, doc } = directiveOf(key);
  const written = typeof byDefault === 'string' ? (byDefault === '' ? 'empty' : `\`${byDefault}\``) : (defaultIs ?? '');
  const cells = [`\`${name}\``, doc, type.allowed, written, unit ?? '', whileRunning ? 'yes' : 'at start', `\`${environmentName(name)}\``];
  return `| ${cells.map(cell).join(' | ')} |`;
}

/** The whole file. */
export function configurationReference(): string {
  return `# Configuration

Made from the table of directives, [server/config/directives.ts](../server/config/directives.ts), by \`npm run docs\`; a test fails when this file is stale.

A node takes each directive from three places, of which the later wins:

1. the configuration file, \`torc server torc.conf\`, in redis.conf's syntax, \`include\` included: \`cache-size 1gb\`;
2. the environment, \`TORC_\` and the directive's name: \`TORC_CACHE_SIZE=1gb\`. What Kubernetes puts there for a service named torc is passed over; any other
   variable that begins so and names no directive is passed over with a warning;
3. the command line: \`--cache-size 1gb\`.

A value that is not allowed, an unknown directive, and directives that contradict each other (a quorum larger than \`replicas\`, two ports alike, a suspicion
shorter than a round of gossip, a seed that is this node's own client port) end the start with one line that names the place, and exit code 2. What is allowed
and weaker than it looks is logged as a warning, at start and after \`CONFIG SET\`: \`write-quorum\` and \`read-quorum\` together not more than \`replicas\`.

\`CONFIG SET\` changes what says *yes* below, on that node and until it stops. Memory sizes are written as Redis writes them: \`1k\` is 1000 bytes, \`1kb\` is 1024.

| directive | what it is | it takes | default | unit | by CONFIG SET | environment |
| --- | --- | --- | --- | --- | --- | --- |
${directiveKeys.map(line).join('\n')}
`;
}
