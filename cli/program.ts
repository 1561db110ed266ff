import { Command } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import type { CommandContext } from './command.ts';
import { registerBackfill } from './commands/backfill.ts';
import { registerCapture } from './commands/capture.ts';
import { registerConfig } from './commands/config.ts';
import { registerDeadLetters } from './commands/dead-letters.ts';
import { registerDemo } from './commands/demo.ts';
import { registerLag } from './commands/lag.ts';
import { registerPurge } from './commands/purge.ts';
import { registerRelay } from './commands/relay.ts';
import { registerRun } from './commands/run.ts';
import { registerServe } from './commands/serve.ts';
import { registerStack } from './commands/stack.ts';
import { registerValidate } from './commands/validate.ts';
import { leaveInTime } from './leave-in-time.ts';

const COMMANDS = [
  registerDemo,
  registerStack,
  registerBackfill,
  registerCapture,
  registerRelay,
  registerRun,
  registerLag,
  registerServe,
  registerDeadLetters,
  registerPurge,
  registerValidate,
  registerConfig,
];

const EXAMPLES = `
Examples:
  changeover demo                       watch a generated society move, verified entity by entity
  changeover stack up                   start Kafka, Neo4j, Milvus, Postgres and Redis on this machine
  changeover backfill --dry-run         count what would be moved, and how long it would take
  changeover backfill                   publish every entity of the legacy stores to the log
  changeover capture install            have every write to the legacy stores written into their outboxes, too
  changeover relay                      publish what the outboxes hold to the log, until stopped
  changeover run                        apply the log to the target stores, until stopped
  changeover lag                        how far each target store is behind, and whether it moves
  changeover dead-letters list          what the target stores have refused for good, and why
  changeover purge tombstones           forget deletes that are so old that nothing older can come any more
  changeover serve                      take changes by HTTP, until stopped
  changeover validate                   compare every entity in its legacy store and its followers

Exit codes: 0 done, 1 defect, 2 usage or configuration, 3 items rejected, 4 holes, 5 differences, 6 unreachable,
7 not allowed, 8 not supported or not as configured, 9 gap in the log, 10 disk full, 11 change rejected, 12 conflict,
13 a program is missing, 14 outbox full, 15 a follower has stalled, 130 stopped.`;

/** Those that start servers stop them first, however long that takes. */
const WITH_SERVERS: readonly string[] = ['demo', 'stack'];

function endsItsServers(command: Command): boolean {
  return WITH_SERVERS.includes(command.name()) || (command.parent !== null && endsItsServers(command.parent));
}

/** The command line; what it does is in commands/. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('changeover')
    .description(packageJson.description)
    .version(packageJson.version)
    .option('-c, --config <file>', 'configuration (default: changeover.yaml where there is one)')
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    .exitOverride();
  for (const register of COMMANDS) register(program, context);
  program.hook('preAction', (_program, command) => {
    if (!endsItsServers(command)) leaveInTime(context.signal);
  });
  return program;
}
