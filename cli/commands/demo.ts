import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from 'commander';
import type { RejectedItem } from '../../connectors/connector.ts';
import { openStack } from '../../stack/stack.ts';
import type { CommandContext, RegisterCommand } from '../command.ts';
import { wholeNumber } from '../command.ts';
import { readConfig } from '../config.ts';
import { describeSociety, openDemoSociety, type SocietyChoice } from '../demo/demo-society.ts';
import { loadLegacyStores } from '../demo/load-legacy.ts';
import { moveAndVerify } from '../demo/move-and-verify.ts';
import { whereToLook } from '../demo/where-to-look.ts';
import { withDeployment } from '../deployment.ts';
import { RejectedFile } from '../output/rejected-file.ts';
import { assertNothingRejected } from '../work/backfill.ts';
import { writeStackConfig } from '../work/stack-config.ts';

interface DemoFlags extends SocietyChoice {
  readonly dir: string;
  readonly keep?: boolean;
}

export const registerDemo: RegisterCommand = (program, context) => {
  program
    .command('demo')
    .summary('watch a society move, verified entity by entity')
    .description(
      'Starts the real servers, makes a society (or reads yours), puts it into the legacy stores, moves it through Kafka\n' +
        'into Neo4j, Milvus and Postgres, and compares every entity.',
    )
    .option('--agents <n>', 'how many agents the generated society has', wholeNumber, 1_000)
    .option('--seed <n>', 'another number makes another society', wholeNumber, 1)
    .addOption(
      new Option(
        '--data <folder>',
        'a folder with dictionary.json, embeddings.ndjson and rl.ndjson (.gz too)',
      ).conflicts(['dictionary', 'embeddings', 'rl']),
    )
    .option('--dictionary <file>', 'your own agents and relationships')
    .option('--embeddings <file>', 'your own embeddings')
    .option('--rl <file>', 'your own experiences, Q-values and policies')
    .option('--keep', 'leave the servers running, to look around')
    .option('--dir <folder>', 'data folder; an earlier demo in it is deleted', '.changeover/demo')
    .action((flags: DemoFlags) => demo(flags, context));
};

async function demo(flags: DemoFlags, context: CommandContext): Promise<void> {
  const stack = await openStack({
    dir: flags.dir,
    env: context.env,
    signal: context.signal,
    onProgress: ({ service, message }) => context.note(`  ${service.padEnd(10)} ${message}`),
  });
  // Before anything is written there, or read for long: this throws when the folder is somebody else's.
  const existed = await stack.exists();
  const rejectedFile = new RejectedFile(join(stack.dir, 'rejected.ndjson'));
  const society = await openDemoSociety(flags, (item) => rejectedFile.add('input', item));
  if (existed) await stack.reset();
  await rm(rejectedFile.path, { force: true });
  let keep = false;
  try {
    context.note(`Starting Kafka, Neo4j, Milvus, Postgres and Redis in ${stack.dir}`);
    const addresses = await stack.up();
    const configFile = await writeStackConfig(stack.dir, addresses);
    const config = readConfig(configFile, {});
    const dictionaryFile = join(stack.dir, 'society.json');
    context.note(`Filling the legacy stores with ${describeSociety(flags)}`);
    const onRejected = (item: RejectedItem): void => rejectedFile.add('input', item);
    await loadLegacyStores(society, { addresses, dictionaryFile }, onRejected, context);
    await withDeployment(config, (deployment) => moveAndVerify(deployment, rejectedFile, context));
    keep = flags.keep ?? false;
    if (keep) context.print(whereToLook(addresses, configFile, flags.dir));
    assertNothingRejected(rejectedFile);
  } finally {
    // Also after an error: nothing is left running that nobody asked for.
    if (!keep) await stack.down();
  }
}
