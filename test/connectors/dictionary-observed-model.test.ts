import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { it, type TestContext } from 'node:test';
import fc from 'fast-check';
import {
  type LegacyAgent,
  type ObservedDictionary,
  openObservedDictionary,
} from '../../connectors/dictionary/observed/observed-dictionary.ts';
import { readTies } from '../../connectors/dictionary/read/ties.ts';
import { type RawAgent, readAgent } from '../../connectors/dictionary/rows.ts';
import type { Change } from '../../schemas/change.ts';
import { keyOf, parseKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { removal, upsert } from '../support/changes.ts';
import { CAPTURE, openedCapture, outboxOf } from './dictionary-capture-support.ts';
import { dictionaryFile, entities } from './dictionary-support.ts';

const IDS = ['a', 'b', 'c', 'constructor', 'é\u{1f600}'] as const;

const id = fc.constantFrom(...IDS);
const strength = fc.constantFrom(0, 50, 12.5, 100);
const own = fc.dictionary(fc.constantFrom('mood', 'diary', 'x y'), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 2,
});

/** Any agent of the legacy shape that is sound, with fields of its own. */
const legacyAgent = fc
  .record({
    type: fc.constantFrom('citizen', 'mayor'),
    active: fc.boolean(),
    attributes: fc.dictionary(
      fc.constantFrom('name', 'age'),
      fc.oneof(fc.string(), fc.integer(), fc.boolean()),
    ),
    more: own,
    memoryMore: own,
    friends: fc.uniqueArray(id, { maxLength: 4 }),
    strengths: fc.array(fc.option(strength), { minLength: 4, maxLength: 4 }),
    types: fc.array(fc.option(fc.constantFrom('KNOWS', 'LIKES')), { minLength: 4, maxLength: 4 }),
  })
  .map(({ more, memoryMore, friends, strengths, types, ...fields }): LegacyAgent => {
    const named = <T>(values: readonly (T | null)[]) =>
      Object.fromEntries(
        friends.flatMap((friend, at) => {
          const value = values[at];
          return value === null || value === undefined ? [] : [[friend, value]];
        }),
      ) as Record<string, T>;
    const memory = { ...memoryMore, friends, relationships: named(strengths), relation_types: named(types) };
    return { ...more, ...fields, memory };
  });

type Step =
  | { readonly type: 'set'; readonly id: string; readonly agent: LegacyAgent }
  | { readonly type: 'touch' | 'delete'; readonly id: string }
  | { readonly type: 'clear' | 'reopen' | 'fold' | 'discard' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('set' as const), id, agent: legacyAgent }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('touch' as const, 'delete' as const), id }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('clear', 'reopen', 'fold', 'discard').map((type) => ({ type }) as Step),
  },
);

/** What a plain Map would hold, but for what an observed one does by itself: ids, and the friends of who is deleted. */
class Model {
  readonly agents = new Map<string, RawAgent>();

  set(key: string, agent: LegacyAgent): void {
    this.agents.set(key, { ...agent, id: key });
  }

  delete(gone: string): void {
    if (!this.agents.delete(gone)) return;
    for (const [key, raw] of this.agents) {
      const memory = raw.memory as Required<NonNullable<LegacyAgent['memory']>>;
      if (!memory.friends.includes(gone)) continue;
      const without = (fields: object) =>
        Object.fromEntries(Object.entries(fields).filter(([name]) => name !== gone));
      this.agents.set(key, {
        ...raw,
        memory: {
          ...memory,
          friends: memory.friends.filter((friend) => friend !== gone),
          relationships: without(memory.relationships),
          relation_types: without(memory.relation_types),
        },
      });
    }
  }
}

/** The entities that a dictionary's agents are, by kind and key. */
function entitiesIn(agents: Iterable<readonly [string, RawAgent]>): ReadonlyMap<string, unknown> {
  const all = new Map<string, unknown>();
  for (const [key, raw] of agents) {
    const read = readAgent(key, raw);
    all.set(`agent ${key}`, 'agent' in read ? read.agent : read);
    for (const { tie } of readTies(key, raw).ties) all.set(`relationship ${keyOf('relationship', tie)}`, tie);
  }
  return all;
}

/** What a follower holds that has applied all that came out of the outbox. */
class Follower {
  readonly held = new Map<string, { readonly version: number; readonly entity: unknown }>();

  apply({ kind, key, version, after }: Change): void {
    const name = `${kind} ${key}`;
    const before = this.held.get(name)?.version ?? 0;
    if (version > before) this.held.set(name, { version, entity: after });
  }

  get entities(): ReadonlyMap<string, unknown> {
    const present = [...this.held].filter(([, { entity }]) => entity !== null);
    return new Map(present.map(([name, { entity }]) => [name, entity]));
  }
}

const plain = (map: ReadonlyMap<string, unknown>) =>
  JSON.parse(
    JSON.stringify(Object.fromEntries([...map].sort(([left], [right]) => (left < right ? -1 : 1)))),
  ) as unknown;

it('an observed dictionary is a Map whose every state comes out of the outbox, through restarts and compactions', async (t) => {
  const file = dictionaryFile(t, {});
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      for (const end of ['', '.journal', '.versions', '.relayed', '.capture'])
        rmSync(file + end, { force: true });
      const model = new Model();
      const follower = new Follower();
      const open = (compactOnClose: boolean) =>
        openObservedDictionary({ file, create: true, compactOnClose }, { capture: CAPTURE });
      let dictionary: ObservedDictionary = await open(false);
      const drained = async (discard: boolean) => {
        for (const { change } of await outboxOf(dictionary.capture, { discard })) follower.apply(change);
      };
      try {
        for (const each of steps) {
          switch (each.type) {
            case 'set':
              await dictionary.set(each.id, each.agent);
              model.set(each.id, each.agent);
              break;
            case 'touch': {
              const present = dictionary.get(each.id);
              if (present === undefined) break;
              await dictionary.update(each.id, (now) => ({ ...now, type: 'touched' }));
              model.agents.set(each.id, { ...model.agents.get(each.id), type: 'touched' });
              break;
            }
            case 'delete':
              assert.equal(await dictionary.delete(each.id), model.agents.has(each.id));
              model.delete(each.id);
              break;
            case 'clear':
              await dictionary.clear();
              model.agents.clear();
              break;
            case 'discard':
              await drained(true);
              break;
            default:
              await dictionary.close();
              dictionary = await open(each.type === 'fold');
              await dictionary.close();
              dictionary = await open(false);
          }
          assert.equal(dictionary.size, model.agents.size);
          assert.deepEqual(plain(new Map(dictionary)), plain(model.agents));
        }
        await drained(false);
        assert.deepEqual(plain(follower.entities), plain(entitiesIn(model.agents)));
        await dictionary.close();
        dictionary = await open(true);
        await dictionary.close();
        const legacy = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
        assert.deepEqual(plain(new Map(Object.entries(legacy))), plain(model.agents));
      } finally {
        await dictionary.close();
      }
    }),
    { numRuns: Number(process.env.FC_RUNS ?? 60) },
  );
});

const tieOf = fc.record({
  source: id,
  target: id,
  type: fc.constantFrom('KNOWS', 'LIKES'),
  strength,
  since: fc.option(fc.constantFrom(0, 5)),
  properties: fc.dictionary(fc.constant('p'), fc.boolean()),
});
const agentOf = fc.record({
  id,
  type: fc.constantFrom('citizen', 'mayor'),
  active: fc.boolean(),
  attributes: fc.dictionary(fc.constantFrom('name', 'age'), fc.integer()),
});
const statement = fc.oneof(
  agentOf.map((entity) => ({ kind: 'agent', key: entity.id, entity }) as const),
  id.map((key) => ({ kind: 'agent', key, entity: null }) as const),
  tieOf.map((entity) => ({ kind: 'relationship', key: keyOf('relationship', entity), entity }) as const),
  tieOf.map((tie) => ({ kind: 'relationship', key: keyOf('relationship', tie), entity: null }) as const),
);

const doors = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .array(statement, { minLength: 1, maxLength: 4 })
      .map((writes) => ({ type: 'domain', writes }) as const),
  },
  { weight: 2, arbitrary: statement.map((write) => ({ type: 'followed', write }) as const) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('set' as const), id, agent: legacyAgent }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), id }) },
  { weight: 1, arbitrary: fc.constantFrom('reopen', 'fold').map((type) => ({ type }) as const) },
);

it('through whatever door it is written: memory, files and the fold of what was captured and followed are one', async (t) => {
  const file = dictionaryFile(t, {});
  const never = { after: () => {} } as unknown as TestContext;
  await fc.assert(
    fc.asyncProperty(fc.array(doors, { maxLength: 25 }), async (steps) => {
      for (const end of ['', '.journal', '.versions', '.relayed', '.capture'])
        rmSync(file + end, { force: true });
      writeFileSync(file, '{}');
      const follower = new Follower();
      let store = await openedCapture(never, file, { compactOnClose: false });
      const drained = async () => {
        for (const { change } of await outboxOf(store.capture, { discard: true })) follower.apply(change);
      };
      try {
        for (const each of steps) {
          if (each.type === 'domain') await store.capture.write(each.writes);
          else if (each.type === 'followed') {
            await drained();
            const { kind, key, entity } = each.write;
            const versions = [...follower.held.values()].map(({ version }) => version);
            const version = Math.max(1, ...versions) + 1;
            const change =
              entity === null ? removal(kind, key, version) : upsert<Kind>(kind, entity, version);
            await store.sink.apply([change]);
            follower.apply(change);
          } else {
            await store.close();
            const dictionary = await openObservedDictionary(
              { file, compactOnClose: each.type === 'fold' },
              { capture: CAPTURE },
            );
            if (each.type === 'set') await dictionary.set(each.id, each.agent);
            if (each.type === 'delete') await dictionary.delete(each.id);
            const inMemory = entitiesIn(dictionary);
            for (const { change } of await outboxOf(dictionary.capture)) follower.apply(change);
            const isKept = (name: string) =>
              name.startsWith('agent') || dictionary.has(parseKey('relationship', name.slice(13)).source);
            const kept = [...follower.entities].filter(([name]) => isKept(name));
            assert.deepEqual(plain(inMemory), plain(new Map(kept)));
            await dictionary.close();
            store = await openedCapture(never, file, { compactOnClose: false });
          }
        }
        await drained();
        const inFiles = new Map<string, unknown>();
        for (const kind of ['agent', 'relationship'] as const) {
          for (const entity of await entities(store, kind))
            inFiles.set(`${kind} ${keyOf<Kind>(kind, entity)}`, entity);
        }
        assert.deepEqual(plain(inFiles), plain(follower.entities));
      } finally {
        await store.close();
      }
    }),
    { numRuns: Number(process.env.FC_RUNS ?? 60) },
  );
});
