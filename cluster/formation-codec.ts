/**
 * Bytes of what formation says and keeps. JSON: it is said a few times in a cluster's life, and an operator may want to read it.
 *
 * Invariant: what decodes has been checked field by field, so formation.ts trusts its input's shape.
 */
import { exactly, fields, kinds, list, optional, type Shape, text } from './checked-json.js';
import { checkedAs, configurationShape, nodeDescriptionShape, parsedJson } from './configuration.js';
import type { FormationDurable, FormationMessage } from './formation.js';

const optionalConfiguration = optional(configurationShape);

const messageShape: Shape<FormationMessage> = kinds({
  hello: fields({
    kind: exactly('hello'),
    clusterName: text(),
    node: nodeDescriptionShape,
    knows: list(nodeDescriptionShape, 0, 0xffff),
    configuration: optionalConfiguration,
  }),
  propose: fields({ kind: exactly('propose'), configuration: configurationShape }),
  accept: fields({ kind: exactly('accept'), configuration: configurationShape }),
  refuse: fields({ kind: exactly('refuse'), reason: text() }),
  chosen: fields({ kind: exactly('chosen'), configuration: configurationShape }),
});

const durableShape = fields({ format: exactly(1), accepted: optionalConfiguration, chosen: optionalConfiguration });

export function encodeFormationMessage(message: FormationMessage): Buffer {
  return Buffer.from(JSON.stringify(message), 'utf8');
}

/** Throws ConfigurationError. `bytes` are borrowed until return. */
export function decodeFormationMessage(bytes: Buffer): FormationMessage {
  return checkedAs(messageShape, parsedJson(bytes, 'formation message'), 'formation message');
}

/** The whole content of the file that a `persist` effect replaces. */
export function encodeFormationDurable(durable: FormationDurable): Buffer {
  return Buffer.from(`${JSON.stringify({ format: 1, ...durable })}\n`, 'utf8');
}

/** Throws ConfigurationError, also on a later format. `bytes` are borrowed until return. */
export function decodeFormationDurable(bytes: Buffer): FormationDurable {
  const { accepted, chosen } = checkedAs(durableShape, parsedJson(bytes, 'formation'), 'formation');
  return { accepted, chosen };
}
