import type { Experience } from '../../../schemas/change.ts';
import { READ_EXPERIENCES } from '../apply/experience-scripts.ts';
import { keyFor } from '../key-patterns.ts';
import { fenceOf, quote } from '../layout.ts';
import { experienceFrom } from '../rows.ts';
import { BYTES_PER_CALL, heldIn, type ReadContext, type ReadItem, readAll } from './entity-reader.ts';
import { homeOfUnknown, homesOf } from './experience-homes.ts';
import type { ListHint } from './place-lines.ts';

/** One experience to be read. */
export interface ExperienceItem {
  readonly id: string;
  /** Undefined leaves it to the versions hash to say where it is. */
  readonly agentId?: string;
  readonly hint?: ListHint;
}

export type ReadExperience = ReadItem<Experience>;

const ITEMS_PER_CALL = 200;
/** Elements that one script looks at before it takes on no further item: about 20 ms of the server's time. */
export const ELEMENTS_PER_CALL = 10_000;

type Reply = [version: Buffer | null, element: Buffer | null, agentId: Buffer | null];

/** Version and content of each experience, both of one moment. */
export async function readExperiences(
  items: readonly ExperienceItem[],
  context: ReadContext,
): Promise<readonly ReadExperience[]> {
  const { client, layout, unknownFields } = context;
  const { prefix, suffix } = layout.patterns.experiences;
  const located = items.map((item) => ({ ...item }));
  const unplaced = located.filter(({ agentId }) => agentId === undefined).map(({ id }) => id);
  const homes = await homesOf(unplaced, context);
  const homeOf = ({ id, agentId }: ExperienceItem) =>
    agentId === undefined
      ? (homes.get(id) ?? homeOfUnknown(layout))
      : layout.at(keyFor(layout.patterns.experiences, agentId));
  const groups = Map.groupBy(located, homeOf);
  const all = await readAll([...groups], ITEMS_PER_CALL, async (some, own) => {
    const versionsKey = own.versionsKey('experience');
    const replies = (await client.run(
      READ_EXPERIENCES,
      [versionsKey, ...fenceOf(own)],
      [
        prefix,
        suffix,
        String(ELEMENTS_PER_CALL),
        String(BYTES_PER_CALL),
        ...some.flatMap(({ id, agentId = '', hint }) => [
          id,
          agentId,
          String(hint?.index ?? ''),
          hint?.at ?? '',
        ]),
      ],
    )) as Reply[];
    return some.slice(0, replies.length).map(({ id }, index) => {
      const [version, element, agentId] = replies[index] as Reply;
      const held = heldIn(version, versionsKey, context);
      if (element === null || agentId === null) return { held, entity: null, bytes: 0 };
      const bytes = element.length;
      const experience = experienceFrom(agentId.toString(), element, unknownFields);
      if (typeof experience !== 'string') return { held, entity: experience, bytes };
      const key = keyFor(layout.patterns.experiences, agentId.toString());
      const fault = { where: `key ${quote(key)}, the element with id ${quote(id)}`, reason: experience };
      return { held, entity: null, bytes, fault };
    });
  });
  return located.map((item) => all.get(item) as ReadExperience);
}
