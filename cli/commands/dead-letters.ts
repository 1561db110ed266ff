import type { Command } from 'commander';
import { changeOf, findAgain } from '../../consumers/dead-letters/find-again.ts';
import { matches, readLetters } from '../../consumers/dead-letters/letters.ts';
import { createMask } from '../../consumers/dead-letters/mask.ts';
import { toJson } from '../../core/json.ts';
import { type CommandContext, configOf, type RegisterCommand } from '../command.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { detailLines, letterDetails } from '../output/dead-letter-details.ts';
import { letterJson, letterTable } from '../output/dead-letter-table.ts';
import { sectionOf } from '../routes.ts';
import { lettersOf, lettersText, requireStore } from '../work/dead-letters.ts';
import { registerDrop } from './dead-letters-drop.ts';
import { type FilterFlags, filterOf, withFilters } from './dead-letters-filters.ts';
import { registerRedrive } from './dead-letters-redrive.ts';

interface ListFlags extends FilterFlags {
  readonly all?: boolean;
  readonly json?: boolean;
}

interface ShowFlags {
  readonly unmasked?: boolean;
  readonly json?: boolean;
}

export const registerDeadLetters: RegisterCommand = (program, context) => {
  const deadLetters = program
    .command('dead-letters')
    .summary('what the target stores have refused for good: list, show, redrive, drop')
    .description(
      'A change that a target store cannot hold, and a record that is no change, is written down as a\n' +
        'dead letter, and the store goes on without it. The id of a letter is the place of its record in the\n' +
        'log: store/kind/partition/offset.',
    );
  registerList(deadLetters, context);
  registerShow(deadLetters, context);
  registerRedrive(deadLetters, context);
  registerDrop(deadLetters, context);
};

function registerList(deadLetters: Command, context: CommandContext): void {
  withFilters(deadLetters.command('list'))
    .summary('list the dead letters that are open')
    .option('--all', 'those that were redriven or dropped, too')
    .option('--json', 'print one JSON object a line')
    .action(async (flags: ListFlags, command: Command) => {
      await withDeployment(configOf(command, context), async (deployment) => {
        const log = await deployment.log();
        const letters = await readLetters(log.deadLetters);
        const filter = { ...filterOf(flags), resolved: flags.all ?? false };
        requireStore(deployment.routes, letters, filter);
        const listed = letters.filter((letter) => matches(letter, filter));
        if (flags.json) for (const letter of listed) context.print(toJson(letterJson(letter)));
        else if (listed.length > 0) context.print(letterTable(listed));
        if (!flags.json) context.note(`${lettersText(listed)}${flags.all ? '' : ' open'}`);
      });
    });
}

function registerShow(deadLetters: Command, context: CommandContext): void {
  deadLetters
    .command('show')
    .argument('<ids...>', 'as `list` prints them')
    .summary('print everything that is known of dead letters')
    .description(
      'Prints everything that is known of dead letters. The record is read from the log again, where it\n' +
        'still is; fields that are masked by the configuration (deadLetters.mask) stay so.',
    )
    .option('--unmasked', 'with the fields that the configuration masks')
    .option('--json', 'print one JSON object a line')
    .action(async (ids: readonly string[], flags: ShowFlags, command: Command) => {
      await withDeployment(configOf(command, context), (deployment) => show(deployment, ids, flags, context));
    });
}

async function show(
  deployment: Deployment,
  ids: readonly string[],
  { unmasked = false, json = false }: ShowFlags,
  { print }: CommandContext,
): Promise<void> {
  const { config, codec } = deployment;
  const log = await deployment.log();
  const fields = unmasked ? [] : config.deadLetters.mask;
  const wanted = new Set(ids.map(sectionOf));
  const letters = lettersOf(await readLetters(log.deadLetters, wanted), ids);
  for (const [index, found] of (await findAgain(letters, { log })).entries()) {
    const read = changeOf(found, codec);
    const details = letterDetails(found, read, { mask: createMask(fields), raw: fields.length === 0 });
    print(json ? toJson(details) : `${index === 0 ? '' : '\n'}${detailLines(details)}`);
  }
}
