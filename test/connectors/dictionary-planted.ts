import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Kind } from '../../schemas/kinds.ts';
import { dictionaryFile, legacyAgent, opened, scanned } from './dictionary-support.ts';

/** Two agents that are in order stand around what is wrong: the rest goes on. */
export const around = (member: string) =>
  `{\n"a": ${JSON.stringify(legacyAgent('a', { friends: ['z'] }))},\n${member},\n"z": ${JSON.stringify(legacyAgent('z'))}\n}`;

export const withFields = (fields: object) =>
  around(`"m": ${JSON.stringify({ ...legacyAgent('m'), ...fields })}`);
export const withMemory = (memory: object) =>
  around(`"m": ${JSON.stringify(legacyAgent('m', memory as Record<string, unknown>))}`);

export interface Planted {
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly where: RegExp;
  readonly reason: RegExp;
}

export async function assertRejectsJustThat(
  t: TestContext,
  kind: Kind,
  planted: Planted,
  expected: readonly string[],
) {
  const store = await opened(t, dictionaryFile(t, planted.content), { maxAgentBytes: 2048 });
  for (const limit of [1, 100]) {
    const { rows, rejected } = await scanned(store, kind, limit);
    assert.equal(rejected.length, 1, JSON.stringify(rejected));
    assert.match(rejected[0]?.where ?? '', planted.where);
    assert.match(rejected[0]?.reason ?? '', planted.reason);
    const keys = rows.map(({ key }) => key);
    for (const key of expected) assert.ok(keys.includes(key), key);
    assert.deepEqual(
      await store.source.get(kind, keys),
      rows.map(({ version, entity }) => ({ version, entity })),
    );
  }
}
