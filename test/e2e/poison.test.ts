import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, it } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import type { Change, EntityOf } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import * as milvus from '../connectors/milvus-support.ts';
import { testGraph } from '../connectors/neo4j-graph.ts';
import * as postgres from '../connectors/postgres-support.ts';
import { followToEnd, openLetters, publish } from '../consumers/dead-letters-support.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity, unitVector } from '../support/entities.ts';
import { openTestLog } from '../support/memory-log.ts';

/** A store, an entity that it takes, and one that is sound and that it refuses all the same. */
interface Case {
  readonly name: string;
  readonly kind: Kind;
  readonly reason: RegExp;
  open(): Promise<Store>;
  /** Has the prepared store refuse what is odd, as an operator's own constraint or index does. */
  refuse(): Promise<unknown>;
  sound(name: string): EntityOf[Kind];
  odd(name: string): EntityOf[Kind];
}

const postgresOptions = postgres.testOptions();
const milvusOptions = milvus.testOptions();
const graph = testGraph();
after(() => postgres.dropSchema(postgresOptions.schema));
after(() => milvus.dropCollections(milvusOptions));
after(() => graph.remove());

/** Text that no server can make smaller. */
function noise(name: string, characters: number): string {
  let text = '';
  while (text.length < characters)
    text += createHash('sha512').update(`${name}${text.length}`).digest('base64');
  return text.slice(0, characters);
}

const CASES: readonly Case[] = [
  {
    name: 'Postgres',
    kind: 'agent',
    reason: /no_pests/,
    open: () => postgres.openStore(postgresOptions),
    refuse: () =>
      postgres.asAdmin((admin) =>
        admin.query(
          `ALTER TABLE ${postgresOptions.schema}.agents_held ADD CONSTRAINT no_pests CHECK (type <> 'pest')`,
        ),
      ),
    sound: (name) => sampleEntity('agent', { name }),
    odd: (name) => ({ ...sampleEntity('agent', { name }), type: 'pest' }),
  },
  {
    name: 'Neo4j',
    kind: 'agent',
    reason: /too large to index/,
    open: () => graph.open('target', ['agent']),
    refuse: () => graph.run(`CREATE INDEX IF NOT EXISTS FOR (n:${graph.labels.agent}) ON (n.note)`),
    sound: (name) => sampleEntity('agent', { name }),
    odd: (name) => sampleEntity('agent', { name, scalars: { note: noise(name, 20_000) } }),
  },
  {
    name: 'Milvus',
    kind: 'embedding',
    reason: /dimension 16 instead of 8/,
    open: () => milvus.openStore(milvusOptions),
    refuse: async () => {},
    sound: (name) => sampleEntity('embedding', { name }),
    odd: (name) => ({ ...sampleEntity('embedding', { name }), dimension: 16, vector: unitVector(1, 16) }),
  },
];

/** Where among a thousand the bad ones stand: one alone, the ends, neighbours. */
const PLACES: readonly (readonly number[])[] = [[617], [0, 1, 250, 499, 500, 998, 999]];

for (const { name, kind, reason, open, refuse, sound, odd } of CASES) {
  describe(`records that ${name} refuses among a thousand others`, () => {
    for (const [round, places] of PLACES.entries()) {
      it(`are exactly the dead letters (${places.length}), and all the others are applied`, async () => {
        const store = await open();
        try {
          await store.prepare();
          if (round === 0) await refuse();
          const log = await openTestLog();
          // The first decides what space a collection of vectors has.
          const first = upsert<Kind>(kind, sound(`first ${round}`), 1);
          const changes: readonly Change[] = Array.from({ length: 1_000 }, (_, index) => {
            const entity = places.includes(index) ? odd(`r${round} ${index}`) : sound(`r${round} ${index}`);
            return upsert<Kind>(kind, entity, 1_000 + index);
          });
          await publish(log, [first, ...changes]);
          const sink = { ...store.sink, kinds: [kind] };
          const progress = await followToEnd(log, sink, { maxBatchChanges: 2_000 });
          const { received, applied, stale, refused } = progress;
          assert.deepEqual(
            [received, applied, stale, refused],
            [1_001, 1_001 - places.length, 0, places.length],
          );
          const letters = await openLetters(log);
          const oddKeys = places.map((index) => changes[index]?.key);
          assert.deepEqual(letters.map(({ key }) => key).sort(), oddKeys.sort());
          for (const letter of letters) assert.match(letter.reason, reason);
          const others = changes.filter(({ key }) => !oddKeys.includes(key)).map(({ key }) => key);
          const held = await store.source.get(kind, others);
          assert.equal(held.filter((each) => each !== undefined).length, others.length);
        } finally {
          await store.close();
        }
      });
    }
  });
}
