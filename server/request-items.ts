import { isRecord } from '../core/json.ts';
import { isBinaryEvent, itemFromEvent, structuredEvent } from './cloud-events.ts';
import { jsonFaultText } from './faults.ts';
import { type Item, itemFromJson } from './items.ts';
import { Problem } from './problem.ts';
import type { Body } from './read-body.ts';
import type { JsonFault } from './strict-json.ts';

export const JSON_TYPE = 'application/json';
export const EVENT_TYPE = 'application/cloudevents+json';
export const EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

export interface ChangeRequest {
  /** Without its parameters, in lower case; undefined where there is none. */
  readonly mediaType: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Body;
}

/** The changes of a request, in whichever of the forms they came, and those parts of the text that hold them. */
interface Elements {
  readonly elements: readonly unknown[];
  readonly read: (element: unknown) => Item;
  /** Where the elements stand in the text; undefined where the whole text is the only one. */
  readonly at?: readonly string[];
}

/** Throws 400 where it cannot be told which changes there are; a change that is wrong is an item with its reason. */
export function requestItems(request: ChangeRequest, maxItems: number): readonly Item[] {
  const { elements, read, at } = elementsOf(request);
  if (elements.length > maxItems) {
    throw new Problem(
      413,
      `The request has ${elements.length} changes, more than the ${maxItems} that are taken.`,
    );
  }
  const faults = faultsByElement(request.body?.faults ?? [], at);
  return elements.map((element, index) => {
    const fault = faults.get(index);
    const item = read(element);
    if (fault === undefined) return item;
    return { ...(item.id === undefined ? {} : { id: item.id }), reason: jsonFaultText(fault) };
  });
}

function elementsOf({ mediaType, headers, body }: ChangeRequest): Elements {
  if (isBinaryEvent(headers) && mediaType !== EVENT_TYPE && mediaType !== EVENT_BATCH_TYPE) {
    return { elements: [structuredEvent(headers, body?.value)], read: itemFromEvent };
  }
  if (body === undefined) throw new Problem(400, 'The request has no body.');
  const { value } = body;
  if (mediaType === EVENT_BATCH_TYPE) {
    if (Array.isArray(value)) return { elements: value, read: itemFromEvent, at: [] };
    throw new Problem(400, 'A batch of events is an array.');
  }
  if (mediaType === EVENT_TYPE) {
    if (isRecord(value)) return { elements: [value], read: itemFromEvent };
    throw new Problem(400, 'An event is an object.');
  }
  if (Array.isArray(value)) return { elements: value, read: itemFromJson, at: [] };
  if (!isRecord(value)) {
    throw new Problem(
      400,
      'The body must be a change, an array of changes, or an object with the array "changes".',
    );
  }
  if (!('changes' in value)) return { elements: [value], read: itemFromJson };
  const { changes, ...others } = value;
  if (!Array.isArray(changes)) throw new Problem(400, 'changes: must be an array');
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw new Problem(400, `${other.slice(0, 100)}: there is no such field beside changes`);
  return { elements: changes, read: itemFromJson, at: ['changes'] };
}

/** The first fault of each element. Throws 400 for one that is outside of all of them. */
function faultsByElement(
  faults: readonly JsonFault[],
  at: readonly string[] | undefined,
): ReadonlyMap<number, JsonFault> {
  const byElement = new Map<number, JsonFault>();
  for (const fault of faults) {
    const { path, reason } = fault;
    const inside = at === undefined ? 0 : path[at.length];
    const isInside = at === undefined || at.every((name, place) => path[place] === name);
    if (!isInside || typeof inside !== 'number') throw new Problem(400, jsonFaultText(fault));
    const own = at === undefined ? path : path.slice(at.length + 1);
    if (!byElement.has(inside)) byElement.set(inside, { path: own, reason });
  }
  return byElement;
}
