import { createCodec } from '../../schemas/codec.ts';
import type { Fault } from './fault.ts';
import { ALL_KINDS, shuffledSome } from './log-meddler.ts';

const SOME = 200;
/** Followers of the agents' topic: what is poison there is a dead letter of each. */
const GROUPS = ['target.neo4j', 'target.milvus', 'target.postgres'] as const;

export const LOG_FAULTS: readonly Fault[] = [
  {
    name: 'records three times',
    strike: async ({ meddler }) => {
      for (const kind of ALL_KINDS) {
        await meddler.again(kind, (stored, random) => {
          const some = shuffledSome(stored, SOME, random);
          return some.flatMap((each) => [each, each, each]);
        });
      }
    },
  },
  {
    name: 'records in another order, old ones after new ones',
    strike: async ({ meddler }) => {
      for (const kind of ALL_KINDS)
        await meddler.again(kind, (stored, random) => shuffledSome(stored, SOME, random));
    },
  },
  {
    name: 'late updates after deletes',
    strike: async ({ meddler }) => {
      const codec = createCodec();
      for (const kind of ALL_KINDS) {
        await meddler.again(kind, (stored) => {
          const decoded = stored.map((each) => ({
            each,
            change: codec.decode(kind, each.key.toString(), each.value),
          }));
          const dead = new Set(
            decoded.filter(({ change }) => change.after === null).map(({ change }) => change.key),
          );
          return decoded
            .filter(({ change }) => change.after !== null && dead.has(change.key))
            .map(({ each }) => each);
        });
      }
    },
  },
  {
    name: 'poison: bytes that are no change, an unknown schema, no value',
    deadLetters: 3,
    strike: async ({ meddler }) => {
      await meddler.poison('agent', 'poison bytes', Buffer.from('not a change at all'));
      const unknown = Buffer.concat([Buffer.from([0xc3, 0x01]), Buffer.alloc(8, 7), Buffer.from('x')]);
      await meddler.poison('agent', 'poison schema', unknown);
      await meddler.poison('agent', 'poison nothing', null);
    },
  },
  {
    name: 'offsets set back to the beginning',
    strike: async ({ meddler, lives, pause }) => {
      const runs = lives('run');
      await Promise.all(runs.map((each) => each.pause()));
      for (const group of GROUPS) await meddler.rewind(group, kindsOf(group));
      for (const each of runs) each.resume();
      await pause(500);
    },
  },
];

function kindsOf(group: (typeof GROUPS)[number]) {
  const held = {
    'target.neo4j': ['agent', 'relationship'],
    'target.milvus': ['embedding'],
    'target.postgres': ['agent', 'experience', 'q-value', 'policy'],
  } as const;
  return held[group];
}
