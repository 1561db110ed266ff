import { isRecord, tryParseJson } from '../../../core/json.ts';
import type { ReadContext } from './entity-reader.ts';
import type { ExperienceItem } from './experience-reader.ts';
import { idsOf } from './key-scan.ts';
import { elementsOf } from './list-elements.ts';

/**
 * Finds experiences that the versions hash says nothing of, by looking through every list: nothing else names the list
 * of an experience that a legacy application wrote. One pass over all lists, whatever the number of ids; it ends when
 * all are found. As in a scan, the first of several counts.
 */
export async function locateExperiences(
  ids: ReadonlySet<string>,
  { client, layout }: ReadContext,
): Promise<ReadonlyMap<string, ExperienceItem>> {
  const pattern = layout.patterns.experiences;
  const located = new Map<string, ExperienceItem>();
  for await (const { id: agentId, pages } of elementsOf(client, pattern, idsOf(client, pattern))) {
    for await (const { start, elements } of pages) {
      for (const [offset, element] of elements.entries()) {
        const value = tryParseJson(element.toString());
        if (!isRecord(value) || typeof value.id !== 'string' || !ids.has(value.id)) continue;
        const index = start + offset;
        const known = located.get(value.id);
        if (known !== undefined && (known.agentId !== agentId || (known.hint?.index ?? 0) <= index)) continue;
        const at = Number.isSafeInteger(value.at) ? String(value.at) : '';
        located.set(value.id, { id: value.id, agentId, hint: { index, at } });
      }
    }
    if (located.size === ids.size) break;
  }
  return located;
}
