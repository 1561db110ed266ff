import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { Store } from '../../connectors/connector.ts';
import type { Change } from '../../schemas/change.ts';
import { type Held, join } from '../../schemas/version.ts';
import { dropSchema, openStore, testOptions } from '../connectors/postgres-support.ts';
import { follow, openLetters, pickySink, publish, redriveAll } from '../consumers/dead-letters-support.ts';
import { plainState, removal, upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { openTestLog } from '../support/memory-log.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { uniqueName } from '../support/names.ts';

/** One change of a scenario: of which of a few agents, and whether the store refuses it at first. */
interface Statement {
  readonly agent: number;
  readonly removes: boolean;
  readonly refused: boolean;
}

const statement: fc.Arbitrary<Statement> = fc.record({
  agent: fc.nat({ max: 3 }),
  removes: fc.boolean(),
  refused: fc.boolean(),
});

interface Scenario {
  /** Their places are their versions. */
  readonly statements: readonly Statement[];
  /** The order in which the log has them, and how many of them come before the redrives begin. */
  readonly order: readonly number[];
  readonly before: number;
  /** Decides the order of the redrives, and how many letters each takes. */
  readonly shuffle: readonly number[];
  readonly atOnce: number;
}

const scenario: fc.Arbitrary<Scenario> = fc
  .array(statement, { minLength: 2, maxLength: 24 })
  .chain((statements) =>
    fc.record({
      statements: fc.constant(statements),
      order: fc.shuffledSubarray(
        statements.map((_, index) => index),
        { minLength: statements.length },
      ),
      before: fc.nat({ max: statements.length }),
      shuffle: fc.array(fc.nat({ max: 1_000 }), { minLength: 24, maxLength: 24 }),
      atOnce: fc.integer({ min: 1, max: 4 }),
    }),
  );

async function holds(
  store: Pick<Store, 'sink' | 'source'>,
  world: string,
  scenario: Scenario,
): Promise<void> {
  const { statements, order, before, shuffle, atOnce } = scenario;
  const nameOf = (agent: number): string => `${world} ${agent}`;
  const changes: readonly Change[] = statements.map(({ agent, removes }, index) => {
    const name = nameOf(agent);
    const version = 1_000 + index;
    return removes
      ? removal('agent', name, version)
      : upsert('agent', sampleEntity('agent', { name, variant: index }), version);
  });
  const refused = new Set(
    changes.filter((_, index) => statements[index]?.refused).map(({ eventId }) => eventId),
  );
  const log = await openTestLog();
  const inLog = order.flatMap((index) => changes[index] ?? []);
  const following = follow(
    log,
    pickySink(store.sink, ({ eventId }) => (refused.has(eventId) ? 'not now' : undefined)),
    { maxBatchChanges: 3 },
  );
  await publish(log, inLog.slice(0, before));
  await following.caughtUp();

  // Newer and older changes go on coming in while letters are redriven, and some of them are refused.
  const coming = publish(log, inLog.slice(before));
  const redriven: string[] = [];
  for (let rounds = 0; rounds < 50; rounds++) {
    const letters = (await openLetters(log)).toSorted(
      (a, b) => (shuffle[a.offset % 24] ?? 0) - (shuffle[b.offset % 24] ?? 0) || a.offset - b.offset,
    );
    if (letters.length === 0 && redriven.length === refused.size) break;
    const results = await redriveAll(log, store, letters.slice(0, atOnce));
    for (const { letter, outcome } of results) {
      assert.ok(outcome === 'applied' || outcome === 'stale');
      redriven.push(letter.id);
    }
    await coming;
    if (letters.length === 0) await following.caughtUp();
  }
  await following.caughtUp();
  await following.stop();
  const progress = following.progress();
  assert.equal(progress.received, changes.length);
  assert.equal(progress.refused, refused.size);
  assert.equal(progress.applied + progress.stale + progress.refused, progress.received);
  assert.equal(redriven.length, refused.size, 'each of the refused was redriven once');

  const keys = [...new Set(statements.map(({ agent }) => nameOf(agent)))];
  const held = await store.source.get('agent', keys);
  for (const [index, key] of keys.entries()) {
    let expected: Held<'agent'> | undefined;
    for (const change of changes) {
      if (change.kind === 'agent' && change.key === key) expected = join<'agent'>(expected, change);
    }
    // What was decoded has a class.
    assert.deepEqual(structuredClone(plainState(held[index])), structuredClone(plainState(expected)), key);
  }
}

describe('dead letters, redriven in any order beside newer changes, leave the join', () => {
  it('in memory', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, (each) => holds(new MemoryStore('memory', ['agent']), 'm', each)),
      { numRuns: 100 },
    );
  });

  describe('in a real store', () => {
    const options = testOptions();
    let postgres: Store;
    before(async () => {
      postgres = await openStore(options);
      await postgres.prepare();
    });
    after(async () => {
      await postgres.close();
      await dropSchema(options.schema);
    });

    it('Postgres', async () => {
      await fc.assert(
        fc.asyncProperty(scenario, (each) => {
          const { sink, source } = postgres;
          return holds({ sink: { ...sink, kinds: ['agent'] }, source }, uniqueName(), each);
        }),
        { numRuns: 60 },
      );
    });
  });
});
