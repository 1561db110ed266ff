import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from 'commander';
import type { RejectedItem } from '../../connectors/connector.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { tryLock } from '../../stack/lock.ts';
import { openStack, type Stack } from '../../stack/stack.ts';
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

const DEFAULT_DIR = '.changeover/demo';
/** In a stack's folder: a demo made it. */
const DEMO_MARKER = 'demo.txt';

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
    .option('--dir <folder>', 'data folder; an earlier demo in it is deleted', DEFAULT_DIR)
    .action((flags: DemoFlags) => demo(flags, context));
};

async function demo(flags: DemoFlags, context: CommandContext): Promise<void> {
  const stack = await openStack({
    dir: flags.dir,
    env: context.env,
    signal: context.signal,
    onProgress: ({ service, message }) => context.note(`  ${service.padEnd(10)} ${message}`),
  });
  const held = await tryLock(`demo ${stack.dir}`);
  if (held === undefined) {
    throw new ChangeoverError('conflict', `Another demo is at work in ${stack.dir}`, {
      hint: 'Wait for it, or name another folder with --dir.',
    });
  }
  try {
    await demoIn(stack, flags, context);
  } finally {
    await held.release();
  }
}

async function demoIn(stack: Stack, flags: DemoFlags, context: CommandContext): Promise<void> {
  const marker = join(stack.dir, DEMO_MARKER);
  // Before anything is written there, or read for long: this throws when the folder is somebody else's.
  const existed = await stack.exists();
  if (existed && flags.dir !== DEFAULT_DIR && !existsSync(marker)) {
    throw new ChangeoverError('config', `${stack.dir} holds a stack that is no demo's`, {
      hint: `A demo deletes what is there. Name another folder, or delete it yourself: changeover stack reset --dir ${flags.dir}`,
    });
  }
  const rejectedFile = new RejectedFile(join(stack.dir, 'rejected.ndjson'));
  // What is refused before the folder is ours is reported when it is.
  const early: RejectedItem[] = [];
  let report = (item: RejectedItem): void => {
    early.push(item);
  };
  const onRejected = (item: RejectedItem): void => report(item);
  const society = await openDemoSociety(flags, onRejected);
  if (existed) await stack.reset();
  let keep = false;
  try {
    context.note(`Starting Kafka, Neo4j, Milvus, Postgres and Redis in ${stack.dir}`);
    const addresses = await stack.up();
    await writeFile(marker, 'A demo made this stack, and the next one deletes it.\n');
    await rm(rejectedFile.path, { force: true });
    report = (item) => rejectedFile.add('input', item);
    for (const item of early) report(item);
    const configFile = await writeStackConfig(stack.dir, addresses);
    const config = readConfig(configFile, {});
    const dictionaryFile = join(stack.dir, 'society.json');
    context.note(`Filling the legacy stores with ${describeSociety(flags)}`);
    await loadLegacyStores(society, { addresses, dictionaryFile }, onRejected, context);
    await withDeployment(config, (deployment) => moveAndVerify(deployment, rejectedFile, context));
    keep = flags.keep ?? false;
    if (keep) context.print(whereToLook(addresses, configFile, flags.dir));
    assertNothingRejected(rejectedFile);
  } finally {
    rejectedFile.close();
    // Also after an error: nothing is left running that nobody asked for.
    if (!keep) await stack.down();
  }
}
