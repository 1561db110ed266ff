import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import {
  type BackfillPlan,
  type BackfillResult,
  type KindSource,
  runBackfill,
} from '../../producers/backfill/backfill.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type Deployment, WRITER } from '../deployment.ts';
import { items } from '../output/format.ts';
import type { ProgressView } from '../output/progress.ts';
import type { RejectedFile } from '../output/rejected-file.ts';

export interface BackfillWork {
  readonly kinds: readonly Kind[];
  readonly batchSize: number;
  readonly parallelism: number;
  readonly ratePerSecond: number | undefined;
  readonly resume: 'unfinished' | 'never' | number;
  readonly progress: ProgressView;
  readonly rejectedFile: RejectedFile;
  readonly onPlan?: (plan: BackfillPlan) => void;
}

/** The sources of these kinds, opened: each kind from its origin. */
export async function originSources(
  deployment: Deployment,
  kinds: readonly Kind[],
): Promise<readonly KindSource[]> {
  return Promise.all(
    kinds.map(async (kind) => {
      const store = await deployment.store('legacy', deployment.routes.origins.get(kind) ?? '');
      return { kind, source: store.source, store: store.name };
    }),
  );
}

export async function backfill(
  deployment: Deployment,
  work: BackfillWork,
  signal: AbortSignal,
): Promise<BackfillResult> {
  const sources = await originSources(deployment, work.kinds);
  const storeOf = new Map(sources.map(({ kind, store }) => [kind, store]));
  try {
    return await runBackfill(
      {
        sources,
        log: await deployment.log(),
        clock: systemClock,
        writer: WRITER,
        batchSize: work.batchSize,
        parallelism: work.parallelism,
        ratePerSecond: work.ratePerSecond,
        resume: work.resume,
        onPlan: (plan) => {
          work.onPlan?.(plan);
          work.progress.start(plan.kinds.map(({ kind, total, done }) => ({ name: kind, total, done })));
        },
        onChunk: (kind, published, rejected) => {
          work.progress.advance(kind, published + rejected.length);
          for (const item of rejected) work.rejectedFile.add(storeOf.get(kind) ?? '', item);
        },
      },
      signal,
    );
  } finally {
    work.progress.stop();
    work.rejectedFile.close();
  }
}

/** Throws `holes` when a stretch of a source could not be read. */
export function assertRead({ holes }: BackfillResult): void {
  if (holes.length === 0) return;
  const texts = holes.map(
    ({ kind, range, reason }) =>
      `${kind} from ${range.after === null ? 'the start' : JSON.stringify(range.after)}: ${reason}`,
  );
  throw new ChangeoverError('holes', `Some of the sources could not be read: ${texts.join('; ')}`, {
    hint: 'Mend the source and run `changeover backfill` again: it goes on with what is missing.',
  });
}

/** Throws `items-rejected` when some items could not be moved, naming the first of them. */
export function assertNothingRejected(rejectedFile: RejectedFile, total = rejectedFile.count): void {
  if (total === 0) return;
  const examples = rejectedFile.examples.map(({ where, reason }) => `\n    ${where}: ${reason}`).join('');
  throw new ChangeoverError(
    'items-rejected',
    `${items(total, 'item')} could not be moved; each is named in ${rejectedFile.path}${examples}`,
    { hint: 'Everything else has been moved. Mend them at the origin and run `changeover backfill` again.' },
  );
}
