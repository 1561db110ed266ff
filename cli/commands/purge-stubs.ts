import type { Command } from 'commander';
import { ChangeoverError } from '../../core/errors.ts';
import { toJson } from '../../core/json.ts';
import { type CommandContext, configOf, nameList } from '../command.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { stubLines } from '../output/purge-table.ts';
import { cleanStubs, keptStores } from '../work/purge.ts';

interface Flags {
  readonly store?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `changeover purge stubs`: to see what relationships wait for, and to remove what a crash has left. */
export function registerPurgeStubs(purge: Command, context: CommandContext): void {
  purge
    .command('stubs')
    .summary('remove nodes that no relationship needs, and say which agents have not come')
    .description(
      'A relationship that comes before its agents gets a stub at its end: a node with an id and nothing else.\n' +
        'Removes the stubs that no relationship needs any more, which a process that was killed may leave, also\n' +
        'beside `changeover run`. A stub that has a relationship stays, and is counted: its agent has not come, or\n' +
        'was deleted.',
    )
    .option(
      '--store <list>',
      'only these stores, separated by commas: neo4j, or legacy.neo4j; by default all target stores with relationships',
    )
    .option('--dry-run', 'say how many there are, and remove nothing')
    .option('--json', 'print the result as JSON')
    .action(async (flags: Flags, command: Command) => {
      await withDeployment(configOf(command, context), (deployment) =>
        purgeStubs(deployment, flags, context),
      );
    });
}

async function purgeStubs(
  deployment: Deployment,
  { store, dryRun = false, json = false }: Flags,
  { signal, print }: CommandContext,
): Promise<void> {
  const log = await deployment.log();
  const asked = nameList(store);
  const kept = await keptStores(deployment, log, asked, (kinds) => kinds.includes('relationship'));
  const cleaned = [];
  for (const each of kept) {
    const result = await cleanStubs(each, { dryRun, signal });
    if (result !== undefined) cleaned.push(result);
    else if (asked !== undefined) {
      throw new ChangeoverError('unsupported', `${each.store.name} has no stubs`, {
        hint: 'Only a graph needs them; leave it out of --store.',
      });
    }
  }
  print(json ? toJson({ dryRun, stubs: cleaned }) : stubLines(cleaned, dryRun) || 'No store has stubs.');
}
