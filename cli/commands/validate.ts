import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Comparison, Difference } from '../../validate/compare.ts';
import { type CommandContext, configOf, kindList, nameList, type RegisterCommand } from '../command.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { count, items } from '../output/format.ts';
import { openProgress } from '../output/progress.ts';
import { ReportFile } from '../output/report-file.ts';
import { chosenKinds, chosenTargets } from '../routes.ts';
import { acceptLosses } from '../work/accept-losses.ts';
import { comparePairs, comparisonTable, isClean, pairName, pairsOf, pairTotals } from '../work/validate.ts';

interface Flags {
  readonly kinds?: readonly Kind[];
  readonly stores?: string;
  readonly differences?: string;
  readonly json?: boolean;
}

const SHOWN_DIFFERENCES = 20;
/** Beyond these an item may be listed once for each follower. */
const MAX_REMEMBERED = 10_000;

export const registerValidate: RegisterCommand = (program, context) => {
  program
    .command('validate')
    .summary('compare every entity in its legacy store with the stores that follow')
    .description(
      'Compares every entity in its legacy store with the target stores that follow: missing, extra, different.\n' +
        'Nothing may write to either meanwhile. Exit code 5 when anything differs, 3 when something could not be read.',
    )
    .option('--kinds <list>', 'only these kinds, separated by commas', kindList)
    .option('--stores <list>', 'only these target stores, separated by commas')
    .option('--differences <file>', 'write every difference to this file, one JSON object a line')
    .option('--json', 'print the result as JSON')
    .action(async (flags: Flags, command) => {
      await withDeployment(configOf(command, context), (deployment) => validate(deployment, flags, context));
    });
};

async function validate(deployment: Deployment, flags: Flags, context: CommandContext): Promise<void> {
  const { routes, config } = deployment;
  const kinds = chosenKinds(routes, flags.kinds);
  const targets = chosenTargets(routes, nameList(flags.stores));
  const pairs = await pairsOf(deployment, kinds, targets);
  if (pairs.length === 0)
    throw new ChangeoverError('usage', 'None of these stores follows any of these kinds');

  const startedAtUs = systemClock.nowUs();
  const file = flags.differences === undefined ? undefined : new ReportFile(flags.differences);
  file?.open('w');
  const progress = openProgress({ quiet: flags.json ?? false });
  progress.start(await pairTotals(pairs));
  const shown: (Difference & { readonly store: string })[] = [];
  // A set: an origin with several followers is read once for each of them.
  const unreadable = new Set<string>();
  const comparisons = await comparePairs(
    pairs,
    config.validate.batchSize,
    {
      onDifference: ({ right }, difference) => {
        const named = { ...difference, store: right.name };
        if (shown.length < SHOWN_DIFFERENCES) shown.push(named);
        file?.add(named);
      },
      onRejected: (store, { where, reason }) => {
        const text = `${store}: ${where}: ${reason}`;
        if (unreadable.has(text)) return;
        if (unreadable.size < MAX_REMEMBERED) unreadable.add(text);
        file?.add({ class: 'unreadable', store, where, reason });
      },
      onProgress: (pair, more) => progress.advance(pairName(pair), more),
    },
    context.signal,
  ).finally(() => progress.stop());
  file?.close();

  const unread = Array.from(unreadable).slice(0, SHOWN_DIFFERENCES);
  if (flags.json) context.print(JSON.stringify({ comparisons, differences: shown, unreadable: unread }));
  else
    context.print(
      [
        comparisonTable(comparisons),
        ...shown.map(describe),
        ...unread.map((text) => `  unreadable: ${text}`),
      ].join('\n'),
    );
  assertEqual(comparisons);
  const whole = kinds.filter((kind) => everyFollower(deployment, kind, targets));
  for (const note of await acceptLosses(config, whole, startedAtUs)) context.note(note);
}

/** Whether the chosen target stores are all that follow a kind. */
function everyFollower({ routes }: Deployment, kind: Kind, targets: readonly string[]): boolean {
  return Array.from(routes.followers).every(
    ([name, kinds]) => !kinds.includes(kind) || targets.includes(name),
  );
}

function hintFor(dirty: readonly Comparison[]): string {
  const extra = dirty.some((comparison) => comparison.extra > 0)
    ? ' What is extra was not moved by changeover, or is gone from its origin: no backfill takes it away, a delete through capture does.'
    : '';
  const different = dirty.some((comparison) => comparison.different > 0)
    ? ' What stays different was changed round its capture: write it once more through capture.'
    : '';
  return `Run \`changeover backfill\` and \`changeover run\`, then validate again; --differences FILE lists them all.${different}${extra}`;
}

/** Throws `differences` when something differs, and `items-rejected` when something could not be compared. */
function assertEqual(comparisons: readonly Comparison[]): void {
  const dirty = comparisons.filter((comparison) => !isClean(comparison));
  const total = dirty.reduce((sum, each) => sum + each.missing + each.extra + each.different, 0);
  if (total > 0) {
    throw new ChangeoverError(
      'differences',
      `${items(total, 'difference')} in ${count(dirty.length)} of ${count(comparisons.length)} comparisons`,
      {
        hint: hintFor(dirty),
      },
    );
  }
  const unread = comparisons.reduce((sum, { rejected }) => sum + rejected, 0);
  if (unread > 0) {
    throw new ChangeoverError(
      'items-rejected',
      `${items(unread, 'item')} could not be read as an entity, and so could not be compared`,
      {
        hint: 'Everything else is equal. Mend them where they are; --differences FILE lists them.',
      },
    );
  }
}

function describe({ store, ...difference }: Difference & { readonly store: string }): string {
  const what =
    difference.class === 'different' ? `different in ${difference.fields.join(', ')}` : difference.class;
  return `  ${store}: ${difference.kind} ${difference.key}: ${what}`;
}
