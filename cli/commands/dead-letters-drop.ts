import { type Command, InvalidArgumentError } from 'commander';
import { resolve } from '../../consumers/dead-letters/resolve.ts';
import { systemClock } from '../../core/clock.ts';
import { toJson } from '../../core/json.ts';
import { type CommandContext, configOf } from '../command.ts';
import { withDeployment } from '../deployment.ts';
import { letterJson, letterTable } from '../output/dead-letter-table.ts';
import { chosenLetters, isOpen, lettersText, operator, requireChoice } from '../work/dead-letters.ts';
import { type FilterFlags, filterOf, withFilters } from './dead-letters-filters.ts';

interface DropFlags extends FilterFlags {
  readonly reason: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `changeover dead-letters drop`: to be done with what no store needs. */
export function registerDrop(deadLetters: Command, context: CommandContext): void {
  withFilters(deadLetters.command('drop').argument('[ids...]', 'as `list` prints them'))
    .summary('close dead letters without applying them')
    .description(
      'Closes dead letters without applying them: the store stays without those changes. Who did it, when\n' +
        'and why is kept, and `list --all` shows it. This is for good: `redrive` does not offer it again, for\n' +
        'a purge relies on that. Write the entity again at its origin if the store needs it after all.',
    )
    .requiredOption('--reason <text>', 'why they need not be applied', reasonText)
    .option('--all', 'all that are open')
    .option('--dry-run', 'list what would be closed, and close nothing')
    .option('--json', 'print one JSON object a line for each of them')
    .action(async (ids: readonly string[], flags: DropFlags, command: Command) => {
      const { reason, all = false, dryRun = false, json = false } = flags;
      const choice = { ids, filter: filterOf(flags), all };
      requireChoice(choice);
      await withDeployment(configOf(command, context), async (deployment) => {
        const log = await deployment.log();
        const chosen = (await chosenLetters(log, deployment.routes, choice)).filter(isOpen);
        if (!dryRun) {
          const by = operator();
          await resolve(chosen, { state: 'dropped', note: reason }, { log, by, clock: systemClock });
        }
        if (json) for (const letter of chosen) context.print(toJson(letterJson(letter)));
        else if (chosen.length > 0) context.print(letterTable(chosen));
        context.note(`${lettersText(chosen)} ${dryRun ? 'would be dropped' : 'dropped'}`);
      });
    });
}

/** What was dealt with already stays as it was dealt with. */

function reasonText(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It must say why.');
  return text;
}
