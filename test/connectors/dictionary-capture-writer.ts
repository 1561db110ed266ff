/**
 * An application that lives in an observed dictionary, for tests that kill it:
 *
 *     node dictionary-capture-writer.ts <file> <compactAfterEntries> <seed>
 *
 * Eight writers insert, change and delete. Prints a line for each write that was acknowledged.
 */
import { openObservedDictionary } from '../../connectors/dictionary/observed/observed-dictionary.ts';
import type { EntityOf } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';
import { agentRemoval, agentWrite, CAPTURE, tieWrite } from './dictionary-capture-support.ts';

export interface Acknowledged {
  readonly kind: 'agent' | 'relationship';
  readonly key: string;
  readonly version: number;
  readonly after: EntityOf['agent'] | EntityOf['relationship'] | null;
}

const WRITERS = 8;
const KEYS = 12;

const [, , file = '', compactAfterEntries = '100000', seed = '1'] = process.argv;
const dictionary = await openObservedDictionary(
  { file, compactAfterEntries: Number(compactAfterEntries) },
  { capture: CAPTURE },
);

let state = Number(seed);
function random(below: number): number {
  state = (state * 48_271) % 2_147_483_647;
  return state % below;
}

async function write(writer: number, n: number): Promise<void> {
  const id = `agent ${random(KEYS)}`;
  const attributes = { by: `${seed}/${writer}/${n}` };
  if (random(6) === 0) {
    // Through the map's own interface, which answers no version.
    await dictionary.update(id, (agent) => ({ ...agent, attributes, n }));
    return;
  }
  const target = `agent ${random(KEYS)}`;
  const entity = { source: id, target, type: 'KNOWS', strength: n % 101, since: null, properties: {} };
  const writes = [
    agentWrite({ id, type: 'citizen', active: true, attributes }),
    agentRemoval(id),
    tieWrite(entity),
    { kind: 'relationship', key: keyOf('relationship', entity), entity: null } as const,
  ];
  const asked = writes[random(writes.length)];
  if (asked === undefined) return;
  const [result] = await dictionary.capture.write([asked]);
  if (result?.status !== 'written') throw new Error(JSON.stringify(result));
  const said = { kind: asked.kind, key: asked.key, version: result.version, after: asked.entity };
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

async function live(writer: number): Promise<never> {
  for (let n = 0; ; n++) await write(writer, n);
}

if (import.meta.main) await Promise.all(Array.from({ length: WRITERS }, (_, writer) => live(writer)));
