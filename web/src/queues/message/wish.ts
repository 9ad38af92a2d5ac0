import type { MessageWish } from '../ask/queues.ts';

/** A header as it is typed. */
export interface TypedHeader {
  id: number;
  name: string;
  value: string;
  kind: 'text' | 'number' | 'boolean';
}

/** Attributes of a message that are typed as text; those in `NUMBERS` are sent as numbers. */
export const TEXTS = ['message_id', 'correlation_id', 'reply_to', 'type', 'app_id', 'content_encoding', 'deduplication_id', 'partition_key'] as const;
export const NUMBERS = ['priority', 'ttl_ms', 'deliver_after'] as const;
export type Typed = Record<(typeof TEXTS)[number] | (typeof NUMBERS)[number], string | number | null>;

/** A form in which nothing was typed. */
export function untyped(): Typed {
  return Object.fromEntries([...TEXTS, ...NUMBERS].map((name) => [name, ''])) as Typed;
}

function valueOf(header: TypedHeader): unknown {
  if (header.kind === 'number') return Number(header.value);
  if (header.kind === 'boolean') return ['true', 'yes', 'sí', 'si', '1'].includes(header.value.trim().toLowerCase());
  return header.value;
}

/** The message that a form describes; what was left empty is left out. */
export function wishOf(form: { body: string; contentType: string; routingKey?: string | undefined; isPersistent: boolean; typed: Partial<Typed>; headers: TypedHeader[] }): MessageWish {
  const attributes: Record<string, unknown> = {};
  for (const name of TEXTS) if (String(form.typed[name] ?? '').trim() !== '') attributes[name] = String(form.typed[name]).trim();
  for (const name of NUMBERS) if (String(form.typed[name] ?? '').trim() !== '') attributes[name] = Number(form.typed[name]);
  const named = form.headers.filter((header) => header.name.trim() !== '');
  return {
    body: form.body,
    persistent: form.isPersistent,
    ...(form.contentType.trim() === '' ? {} : { content_type: form.contentType.trim() }),
    ...(form.routingKey === undefined ? {} : { routing_key: form.routingKey }),
    ...attributes,
    ...(named.length === 0 ? {} : { headers: Object.fromEntries(named.map((header) => [header.name.trim(), valueOf(header)])) }),
  } as MessageWish;
}
