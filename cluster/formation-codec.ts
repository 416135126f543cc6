/**
 * Bytes of what formation says and keeps. JSON: it is said a few times in a cluster's life, and an operator may want to read it.
 *
 * Invariant: what decodes has been checked field by field, so formation.ts trusts its input's shape.
 */
import * as z from 'zod';
import { checkedAs, configurationSchema, nodeDescriptionSchema, parsedJson } from './configuration.js';
import type { FormationDurable, FormationMessage } from './formation.js';

const messageSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('hello'),
    clusterName: z.string(),
    node: nodeDescriptionSchema,
    knows: z.array(nodeDescriptionSchema).max(0xffff),
    configuration: configurationSchema.optional(),
  }),
  z.strictObject({ kind: z.literal('propose'), configuration: configurationSchema }),
  z.strictObject({ kind: z.literal('accept'), configuration: configurationSchema }),
  z.strictObject({ kind: z.literal('refuse'), reason: z.string() }),
  z.strictObject({ kind: z.literal('chosen'), configuration: configurationSchema }),
]);

const durableSchema = z.strictObject({
  format: z.literal(1),
  accepted: configurationSchema.optional(),
  chosen: configurationSchema.optional(),
});

export function encodeFormationMessage(message: FormationMessage): Buffer {
  return Buffer.from(JSON.stringify(message), 'utf8');
}

/** Throws ConfigurationError. `bytes` are borrowed until return. */
export function decodeFormationMessage(bytes: Buffer): FormationMessage {
  return checkedAs(messageSchema, parsedJson(bytes, 'formation message'), 'formation message');
}

/** The whole content of the file that a `persist` effect replaces. */
export function encodeFormationDurable(durable: FormationDurable): Buffer {
  return Buffer.from(`${JSON.stringify({ format: 1, ...durable })}\n`, 'utf8');
}

/** Throws ConfigurationError, also on a later format. `bytes` are borrowed until return. */
export function decodeFormationDurable(bytes: Buffer): FormationDurable {
  const { accepted, chosen } = checkedAs(durableSchema, parsedJson(bytes, 'formation'), 'formation');
  return { accepted, chosen };
}
