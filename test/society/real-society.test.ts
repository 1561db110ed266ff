import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tiesOf } from '../../society/legacy-shapes.ts';
import { openSocietyFiles, societyFilesIn } from '../../society/readers/open-society-files.ts';
import { failOnRejected } from './in-memory-society.ts';

const FOLDER = fileURLToPath(new URL('../../../shared/data/society', import.meta.url));
const skip = existsSync(FOLDER) ? false : `The real society is not here: ${FOLDER}`;

test('the real society is read whole', { skip }, async () => {
  const society = await openSocietyFiles(await societyFilesIn(FOLDER), failOnRejected);
  const counts = { agents: 0, relationships: 0, embeddings: 0, experience: 0, 'q-value': 0, policy: 0 };
  for await (const agent of society.agents()) {
    counts.agents++;
    counts.relationships += [...tiesOf(agent)].length;
  }
  for await (const { vector } of society.memories()) {
    counts.embeddings++;
    assert.equal(vector.length, 384);
  }
  for await (const { kind } of society.learning()) counts[kind]++;
  assert.deepEqual(counts, {
    agents: 3_505,
    relationships: 82_828,
    embeddings: 3_505,
    experience: 20_200,
    'q-value': 9_609,
    policy: 101,
  });
});
