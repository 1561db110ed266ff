import assert from 'node:assert/strict';
import { compactionSteps } from '../../connectors/dictionary/journal/compaction.ts';
import { openForWriting } from '../../connectors/dictionary/journal/writable.ts';
import { dictionaryOptions } from '../../connectors/dictionary/options.ts';
import { dictionaryPaths } from '../../connectors/dictionary/paths.ts';
import { silentLogger } from '../../core/logger.ts';

export const STEPS = ['write', 'announce', 'rename-versions', 'rename-base', 'restart'] as const;

/** Begins to fold the journal, and dies after so many steps. */
export async function interruptedAfter(file: string, done: number): Promise<void> {
  const paths = dictionaryPaths(file);
  const settings = dictionaryOptions.parse({ file });
  const mark = { role: 'legacy', name: 'legacy.dictionary' } as const;
  const writable = await openForWriting({ paths, settings, mark, create: false, logger: silentLogger });
  const { snapshot, header, journal } = writable;
  const steps = compactionSteps({
    paths,
    snapshot,
    header,
    maxAgentBytes: settings.maxAgentBytes,
    logger: silentLogger,
    appendFrame: (payload) => journal.appendFrame(payload),
  });
  assert.deepEqual(
    steps.map(({ name }) => name),
    STEPS,
  );
  for (const step of steps.slice(0, done)) await step.run();
  await snapshot.release();
}
