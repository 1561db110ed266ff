import { z } from 'zod';
import { isRecord } from '../core/json.ts';
import { isKind, type Kind } from '../schemas/kinds.ts';
import { faultsInWords } from './faults.ts';
import { type ChangeOp, deleteFrom, type Item, OPS, upsertFrom } from './items.ts';

/**
 * A change as a CloudEvent 1.0 (https://github.com/cloudevents/spec): its type is `changeover.<kind>.upsert` or
 * `changeover.<kind>.delete`, its data the entity, or of a delete what names it; a delete may say that in its subject
 * instead, as the text of the key. Source and id together are the event's id. Other attributes are taken and not looked at.
 */
const TYPE_PREFIX = 'changeover.';

const visible = (most: number) =>
  z
    .string()
    .regex(
      new RegExp(`^[^\\p{C}]{1,${most}}$`, 'u'),
      `must be 1 to ${most} characters, none of them a control character`,
    );

const eventSchema = z.looseObject({
  specversion: z.literal('1.0'),
  id: visible(256),
  source: visible(512).refine(
    (text) => !/\s/.test(text),
    'must be a URI reference, which has no white space',
  ),
  type: z.string().max(100),
  subject: z.string().optional(),
  datacontenttype: z
    .string()
    .regex(/^application\/([^\s;]+\+)?json\s*(;|$)/i, 'must be JSON')
    .optional(),
});

/** A structured event. */
export function itemFromEvent(json: unknown): Item {
  const name = isRecord(json) && typeof json.id === 'string' ? { id: json.id.slice(0, 256) } : {};
  const parsed = eventSchema.safeParse(json);
  if (!parsed.success) return { ...name, reason: faultsInWords(parsed.error.issues) };
  const event = parsed.data;
  if (event.data_base64 !== undefined) return { ...name, reason: 'data_base64: data must be JSON, in data' };
  const meant = kindAndOp(event.type);
  if (meant === undefined) {
    return { ...name, reason: `type: must be ${TYPE_PREFIX}<kind>.upsert or ${TYPE_PREFIX}<kind>.delete` };
  }
  const { kind, op } = meant;
  const eventId = `${event.source} ${event.id}`;
  if (op === 'upsert') return { ...name, ...upsertFrom(kind, event.data, 'data', eventId) };
  return event.data === undefined && event.subject !== undefined
    ? { ...name, ...deleteFrom(kind, event.subject, 'subject', eventId) }
    : { ...name, ...deleteFrom(kind, event.data, 'data', eventId) };
}

function kindAndOp(type: string): { readonly kind: Kind; readonly op: ChangeOp } | undefined {
  if (!type.startsWith(TYPE_PREFIX)) return undefined;
  const [kind = '', word = '', ...more] = type.slice(TYPE_PREFIX.length).split('.');
  const op = OPS.find((each) => each === word);
  return isKind(kind) && op !== undefined && more.length === 0 ? { kind, op } : undefined;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Whether a request is an event whose attributes are in its headers, and only its data in the body. */
export function isBinaryEvent(headers: Headers): boolean {
  return headers['ce-specversion'] !== undefined;
}

/** The same event in structured form. `data` is undefined where the request has no body. */
export function structuredEvent(headers: Headers, data: unknown): Readonly<Record<string, unknown>> {
  const attributes = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith('ce-') && typeof value === 'string'
      ? [[name.slice(3), percentDecoded(value)] as const]
      : [],
  );
  return { ...Object.fromEntries(attributes), ...(data === undefined ? {} : { data }) };
}

/** As the HTTP binding wants it; what is no percent-encoding stands for itself. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
