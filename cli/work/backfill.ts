import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { BackfillMetrics } from '../../core/metrics/backfill-metrics.ts';
import {
  type BackfillPlan,
  type BackfillResult,
  type KindSource,
  runBackfill,
} from '../../producers/backfill/backfill.ts';
import type { Watch } from '../../producers/backfill/watch.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type Deployment, WRITER } from '../deployment.ts';
import { backfillRemark } from '../output/backfill-remark.ts';
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
  readonly metrics?: BackfillMetrics;
  /** What the outboxes hold, where live writes are to go first. */
  readonly outboxes?: Watch['outboxes'];
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
  /** Of each kind, what the progress shows: what others move comes to it later than what we do. */
  const shown = new Map<Kind, number>();
  const advance = (kind: Kind, more: number): void => {
    if (more <= 0) return;
    shown.set(kind, (shown.get(kind) ?? 0) + more);
    work.progress.advance(kind, more);
  };
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
        shared: true,
        watch: watchOf(deployment, work),
        onPlan: (plan) => {
          work.onPlan?.(plan);
          work.progress.start(plan.kinds.map(({ kind, total, done }) => ({ name: kind, total, done })));
          for (const { kind, done } of plan.kinds) shown.set(kind, done);
        },
        onStanding: (kind, items) => advance(kind, items - (shown.get(kind) ?? 0)),
        onChunk: (kind, published, rejected) => {
          advance(kind, published + rejected.length);
          work.metrics?.moved(kind, published, rejected.length);
          for (const item of rejected) work.rejectedFile.add(storeOf.get(kind) ?? '', item);
        },
        onScan: (kind, ms) => work.metrics?.scanned(kind, ms / 1_000),
        onState: (state) => {
          work.progress.remark(backfillRemark(state));
          work.metrics?.throttled(state.reasons, state.limitPerSecond);
        },
      },
      signal,
    );
  } finally {
    work.progress.stop();
    work.rejectedFile.close();
  }
}

/** For whom it goes slower: the target stores, whoever applies the log to them, and the origin. */
function watchOf({ config, routes }: Deployment, { outboxes }: BackfillWork): Watch {
  const { maxLagRecords, maxLagSeconds, maxOriginSlowdown, maxOutboxShare } = config.backfill;
  const followers = Array.from(routes.followers, ([name, kinds]) => {
    const store = `target.${name}`;
    return { store, group: store, kinds };
  });
  return {
    followers,
    maxLagRecords: maxLagRecords === 0 ? Number.POSITIVE_INFINITY : maxLagRecords,
    maxLagSeconds: maxLagSeconds ?? Number.POSITIVE_INFINITY,
    maxOriginSlowdown,
    maxOutboxShare,
    ...(outboxes !== undefined && maxOutboxShare > 0 && { outboxes }),
  };
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
  const elsewhere = rejectedFile.count < total ? ', or in that of the process or run that met it' : '';
  throw new ChangeoverError(
    'items-rejected',
    `${items(total, 'item')} could not be moved; each is named in ${rejectedFile.path}${elsewhere}${examples}`,
    { hint: 'Everything else has been moved. Mend them at the origin and run `changeover backfill` again.' },
  );
}
