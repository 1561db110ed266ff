import { type Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../../core/clock.ts';
import { toJson } from '../../core/json.ts';
import { type CommandContext, configOf, nameList } from '../command.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { time } from '../output/dead-letter-table.ts';
import { count, items } from '../output/format.ts';
import { tombstoneTable } from '../output/purge-table.ts';
import { forbidding, type ReplayBound, requireNoReplay, underWay } from '../work/oldest-replay.ts';
import { type Kept, keptStores, type PurgedKind, purgeStore } from '../work/purge.ts';
import { replayBounds } from '../work/replay-bounds.ts';

interface Flags {
  /** In ms. */
  readonly retention: number;
  readonly store?: string;
  /** Commander's word for `--no-replay` is that this is false. */
  readonly replay: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `changeover purge tombstones`: to forget deletes that are so old that nothing older than they can come any more. */
export function registerPurgeTombstones(purge: Command, context: CommandContext): void {
  purge
    .command('tombstones')
    .summary('forget deletes from before a retention')
    .description(
      'A deleted entity leaves a tombstone, so that an older change that comes late does not bring it back.\n' +
        'Removes the tombstones of deletes from before the retention. Refuses (exit code 12), and removes nothing\n' +
        'from any store, where an older change may still come for one of them: because the log holds it or a store\n' +
        'has yet to apply it, from an outbox, a dead letter or a backfill. Safe beside `changeover run` (but for\n' +
        'Milvus, which takes one writer at a time); what was stopped is gone on with by the next call.',
    )
    .requiredOption(
      '--retention <time>',
      'how long the delete of an entity is remembered at least, such as 30d, 12h or 90m',
      retention,
    )
    .option(
      '--store <list>',
      'only these stores, separated by commas: postgres, or legacy.neo4j for an origin; by default all target stores',
    )
    .option(
      '--no-replay',
      'count only what a store has yet to apply: what it has applied will not be replayed, or from the start of the topics to their end',
    )
    .option('--dry-run', 'say how many there are, and whether they may go; remove nothing')
    .option('--json', 'print the result as JSON')
    .action(async (flags: Flags, command: Command) => {
      await withDeployment(
        configOf(command, context),
        (deployment) => purgeTombstones(deployment, flags, context),
        { capture: true },
      );
    });
}

interface Looked {
  readonly kept: Kept;
  readonly bounds: readonly ReplayBound[];
}

async function purgeTombstones(
  deployment: Deployment,
  { retention: retentionMs, store, replay: replays, dryRun = false, json = false }: Flags,
  { signal, print, note }: CommandContext,
): Promise<void> {
  const log = await deployment.log();
  const nowUs = systemClock.nowUs();
  const beforeUs = nowUs - retentionMs * 1_000;
  const looked: Looked[] = [];
  for (const kept of await keptStores(deployment, log, nameList(store))) {
    const { store, upkeep } = kept;
    const purged = { store, kinds: upkeep.kinds, beforeUs, replays };
    looked.push({ kept, bounds: [underWay(nowUs), ...(await replayBounds(deployment, log, purged))] });
  }
  // All of them are looked at before anything goes from the first one.
  const requireAll = (): void => {
    for (const { kept, bounds } of looked) {
      requireNoReplay(bounds, { store: kept.store.name, nowUs, retentionMs });
    }
  };
  if (!dryRun) {
    requireAll();
    for (const { kept } of looked) await kept.requireAlone();
  }
  const purged: PurgedKind[] = [];
  try {
    for (const { kept } of looked) {
      for await (const each of purgeStore(kept, { beforeUs, dryRun, signal })) purged.push(each);
    }
  } finally {
    const forbidden = looked.flatMap(({ kept, bounds }) =>
      forbidding(bounds, beforeUs).map((bound) => ({ store: kept.store.name, ...plain(bound) })),
    );
    // Of what failed at the first question there is nothing to tell.
    if (purged.length > 0) {
      print(
        json
          ? toJson({ retentionMs, before: time(beforeUs), dryRun, tombstones: purged, forbidden })
          : tombstoneTable(purged, dryRun),
      );
    }
  }
  if (dryRun) requireAll();
  const older = purged.reduce((sum, each) => sum + each.older, 0);
  const removed = purged.reduce((sum, each) => sum + each.removed, 0);
  if (!json)
    note(
      dryRun
        ? `${items(older, 'tombstone')} would go`
        : `${count(removed)} of ${items(older, 'old tombstone')} removed`,
    );
}

function plain({ part, what, sinceUs, remedy }: ReplayBound): object {
  return { part, what, since: sinceUs === null ? null : time(sinceUs), remedy };
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function retention(text: string): number {
  const [, amount, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(amount) * (UNITS_MS[unit] ?? 0);
  // Versions below the year 1970 are labels of backfills, which no delete has.
  if (ms > 0 && ms * 1_000 < systemClock.nowUs()) return ms;
  throw new InvalidArgumentError('It must be like 30d, 12h or 90m.');
}
