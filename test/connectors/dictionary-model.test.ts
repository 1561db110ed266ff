import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Store } from '../../connectors/connector.ts';
import type { Change, EntityOf } from '../../schemas/change.ts';
import { type IdentityOf, keyOf } from '../../schemas/keys.ts';
import { type Held, join as joined } from '../../schemas/version.ts';
import { removal, upsert } from '../support/changes.ts';
import {
  dictionaryFile,
  legacyAgent,
  openDictionary,
  scanned,
  temporaryFolder,
} from './dictionary-support.ts';

/** Few keys, so that everything happens to each of them. */
const IDS = ['a', 'b', '__proto__', 'd\n"'] as const;
const TYPES = ['KNOWS', 'ALLY'] as const;
const id = fc.constantFrom(...IDS);
const tieIdentity: fc.Arbitrary<IdentityOf['relationship']> = fc.record({
  source: id,
  type: fc.constantFrom(...TYPES),
  target: id,
});
const version = fc.integer({ min: 1, max: 12 });
const scalars = fc.dictionary(
  fc.constantFrom('x', 'constructor', 'é'),
  fc.oneof(
    fc.constantFrom('', 'text', true, -0, 1e300, 5e-324),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  ),
  { noNullPrototype: true },
);
const strength: fc.Arbitrary<number> = fc.constantFrom(0, -0, 50, 99.9, 100);

const agentChange = fc
  .tuple(id, version, fc.option(scalars))
  .map(
    ([key, at, attributes]): Change =>
      attributes === null
        ? removal('agent', key, at)
        : upsert('agent', { id: key, type: 't', active: at % 2 === 0, attributes }, at),
  );
const tieChange = fc
  .tuple(
    tieIdentity,
    version,
    fc.option(fc.record({ strength, since: fc.option(fc.nat()), properties: scalars })),
  )
  .map(
    ([identity, at, content]): Change =>
      content === null
        ? removal('relationship', keyOf('relationship', identity), at)
        : upsert('relationship', { ...identity, ...content }, at),
  );
const step = fc.oneof(
  { weight: 6, arbitrary: fc.array(fc.oneof(agentChange, tieChange), { minLength: 1, maxLength: 6 }) },
  { weight: 1, arbitrary: fc.constant('reopen' as const) },
  { weight: 1, arbitrary: fc.constant('crash' as const) },
);
const legacy = fc.uniqueArray(
  fc.tuple(id, fc.uniqueArray(id), fc.dictionary(id, strength), fc.dictionary(id, fc.constantFrom(...TYPES))),
  { selector: ([key]) => key },
);
type Legacy = typeof legacy extends fc.Arbitrary<infer T> ? T : never;

/** The plain map that the dictionary has to agree with. */
class Model {
  readonly held = new Map<string, Held<'agent'> | Held<'relationship'>>();

  constructor(content: Legacy) {
    for (const [source, friends, strengths, types] of content) {
      this.held.set(source, {
        version: null,
        entity: { id: source, type: 'citizen', active: true, attributes: { name: source } },
      });
      for (const target of friends) {
        const type = Object.hasOwn(types, target) ? (types[target] ?? 'KNOWS') : 'KNOWS';
        const entity = {
          source,
          type,
          target,
          strength: Object.hasOwn(strengths, target) ? (strengths[target] ?? 50) : 50,
          since: null,
          properties: {},
        };
        this.held.set(keyOf('relationship', entity), { version: null, entity });
      }
    }
  }

  apply(change: Change): void {
    const statement = change as { version: number; after: EntityOf['agent'] | null };
    this.held.set(
      change.key,
      joined<'agent'>(this.held.get(change.key) as Held<'agent'> | undefined, statement),
    );
  }

  /** A tie that nobody has ever given a version, to somebody who is not there, is no tie. */
  get(key: string): Held<'agent'> | Held<'relationship'> | undefined {
    const found = this.held.get(key);
    if (found?.version !== null || found.entity === null || !('target' in found.entity)) return found;
    return (this.held.get(found.entity.target)?.entity ?? null) === null ? undefined : found;
  }
}

const TIE_KEYS = IDS.flatMap((source) =>
  TYPES.flatMap((type) => IDS.map((target) => keyOf('relationship', { source, type, target }))),
);

async function assertAgrees(store: Store, model: Model): Promise<void> {
  for (const [kind, keys] of [
    ['agent', IDS],
    ['relationship', TIE_KEYS],
  ] as const) {
    assert.deepEqual(
      await store.source.get(kind, keys),
      keys.map((key) => model.get(key)),
    );
    const { rows } = await scanned(store, kind, 3);
    const alive = keys.filter((key) => (model.get(key)?.entity ?? null) !== null);
    assert.deepEqual(new Set(rows.map(({ key }) => key)), new Set(alive));
    assert.equal(rows.length, alive.length);
    for (const row of rows)
      assert.deepEqual({ version: row.version, entity: row.entity }, model.get(row.key));
    assert.equal(await store.source.count(kind), alive.length);
  }
}

/** As a crash leaves the files: nothing is closed, nothing is folded. */
function crashed(t: TestContext, file: string): string {
  const folder = temporaryFolder(t);
  cpSync(join(file, '..'), folder, { recursive: true });
  rmSync(join(folder, 'dictionary.json.lock'), { force: true });
  return join(folder, 'dictionary.json');
}

function fileOf(t: TestContext, content: Legacy): string {
  const members = content.map(([key, friends, relationships, relation_types]) => {
    const own = <T>(fields: Record<string, T>) =>
      Object.fromEntries(Object.entries(fields).filter(([name]) => friends.includes(name as 'a')));
    const memory = { friends, relationships: own(relationships), relation_types: own(relation_types) };
    return `${JSON.stringify(key)}: ${JSON.stringify(legacyAgent(key, memory))}`;
  });
  return dictionaryFile(t, `{${members.join(', ')}}`);
}

describe('the dictionary agrees with a plain map', () => {
  for (const limits of [{}, { compactAfterEntries: 3 }, { compactAfterEntries: 1, compactOnClose: false }]) {
    it(`whatever is applied, reopened and crashed (${JSON.stringify(limits)})`, async (t) => {
      await fc.assert(
        fc.asyncProperty(legacy, fc.array(step, { maxLength: 10 }), async (content, steps) => {
          const model = new Model(
            content.map(([key, friends, strengths, types]) => [key, friends, positive(strengths), types]),
          );
          let file = fileOf(t, content);
          let store = await openDictionary(file, limits);
          const open = [store];
          try {
            await assertAgrees(store, model);
            for (const next of steps) {
              if (next === 'reopen') await store.close();
              if (next === 'crash') file = crashed(t, file);
              if (typeof next === 'string') {
                store = await openDictionary(file, limits);
                open.push(store);
              } else {
                await store.sink.apply(next);
                for (const change of next) model.apply(change);
              }
              await assertAgrees(store, model);
            }
          } finally {
            for (const one of open) await one.close();
          }
        }),
        { numRuns: 25 },
      );
    });
  }
});

/** Plain JSON.stringify, with which the legacy file is written here, knows no −0. */
function positive(strengths: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(strengths).map(([name, value]) => [name, value === 0 ? 0 : value]),
  );
}
