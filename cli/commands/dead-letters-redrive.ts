import type { Command } from 'commander';
import type { Letter } from '../../consumers/dead-letters/letters.ts';
import { createMask } from '../../consumers/dead-letters/mask.ts';
import { previewRedrive, type Redriven, redrive } from '../../consumers/dead-letters/redrive.ts';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { toJson } from '../../core/json.ts';
import type { Log } from '../../log/log.ts';
import { type CommandContext, configOf } from '../command.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { previewTable, redrivenTable } from '../output/dead-letter-table.ts';
import { count, items } from '../output/format.ts';
import {
  chosenLetters,
  isOpen,
  operator,
  requireChoice,
  requireConfigured,
  targetOf,
} from '../work/dead-letters.ts';
import { type FilterFlags, filterOf, withFilters } from './dead-letters-filters.ts';

interface RedriveFlags extends FilterFlags {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `changeover dead-letters redrive`: to offer a store again what it has refused. */
export function registerRedrive(deadLetters: Command, context: CommandContext): void {
  withFilters(deadLetters.command('redrive').argument('[ids...]', 'as `list` prints them'))
    .summary('offer dead letters to their stores again')
    .description(
      'Offers the changes of dead letters to their stores again. Where a store holds something newer by\n' +
        'now, nothing changes; so any order is safe, beside `changeover run`, too (but for Milvus, which takes\n' +
        'one writer at a time). What is refused again stays open, and the exit code is 3.\n' +
        '--dry-run goes by versions only: it does not ask whether the store still refuses a change, and looks\n' +
        'at each letter by itself, so of two of one new key it says "created" twice.',
    )
    .option('--all', 'all that are open')
    .option('--dry-run', 'say what each of them would change, and change nothing')
    .option('--json', 'print one JSON object a line')
    .action(async (ids: readonly string[], flags: RedriveFlags, command: Command) => {
      const choice = { ids, filter: filterOf(flags), all: flags.all ?? false };
      requireChoice(choice);
      await withDeployment(configOf(command, context), async (deployment) => {
        const log = await deployment.log();
        const asked = await chosenLetters(log, deployment.routes, choice);
        // What was dealt with is not offered again: a purge relies on it.
        const chosen = asked.filter(isOpen);
        requireConfigured(deployment.routes, chosen);
        if (chosen.length < asked.length)
          context.note(`${items(asked.length - chosen.length, 'dead letter')} had been dealt with before`);
        const results = await redriveAll(deployment, log, chosen, flags, context);
        summarize(results, flags.dryRun ?? false, context);
      });
    });
}

async function redriveAll(
  deployment: Deployment,
  log: Log,
  letters: readonly Letter[],
  { dryRun = false, json = false }: RedriveFlags,
  { print, signal }: CommandContext,
): Promise<readonly Redriven[]> {
  const { codec, config } = deployment;
  const mask = createMask(config.deadLetters.mask);
  const all: Redriven[] = [];
  for (const [sink, ofSink] of Map.groupBy(letters, (letter) => letter.sink)) {
    const { store, requireAlone } = await targetOf(deployment, log, sink);
    const options = { log, store, codec, mask, signal };
    if (dryRun) {
      for await (const previews of previewRedrive(ofSink, options)) {
        all.push(...previews);
        print(json ? linesOf(previews) : previewTable(previews));
      }
      continue;
    }
    await store.prepare();
    const doing = { ...options, by: operator(), clock: systemClock, beforeOffer: requireAlone };
    for await (const results of redrive(ofSink, doing)) {
      all.push(...results);
      print(json ? linesOf(results) : redrivenTable(results));
    }
  }
  return all;
}

function linesOf(results: readonly Redriven[]): string {
  return results
    .map(({ letter, ...rest }) => toJson({ id: letter.id, store: letter.sink, key: letter.key, ...rest }))
    .join('\n');
}

function summarize(results: readonly Redriven[], dryRun: boolean, { note }: CommandContext): void {
  const counts = { applied: 0, stale: 0, refused: 0, gone: 0 };
  for (const { outcome } of results) counts[outcome] += 1;
  const { applied, stale, refused, gone } = counts;
  const verb = dryRun ? ' would be' : '';
  note(
    `${items(results.length, 'dead letter')}:${verb} ${count(applied)} applied, ${count(stale)} stale, ${count(refused)} still refused, ${count(gone)} gone from the log`,
  );
  if (refused + gone === 0) return;
  const first = results.find(({ outcome }) => outcome === 'refused' || outcome === 'gone');
  throw new ChangeoverError(
    'items-rejected',
    `${items(refused + gone, 'dead letter')} ${staying(refused + gone, dryRun)} open; the first is ${first?.letter.id}: ${first?.reason}`,
    {
      hint: 'Mend the cause and redrive them again; or `changeover dead-letters drop` them, with the reason.',
    },
  );
}

function staying(howMany: number, dryRun: boolean): string {
  if (dryRun) return 'would stay';
  return howMany === 1 ? 'stays' : 'stay';
}
