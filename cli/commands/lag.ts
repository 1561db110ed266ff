import { systemClock } from '../../core/clock.ts';
import { unlessAborted } from '../../core/service.ts';
import { type CommandContext, configOf, nameList, type RegisterCommand } from '../command.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { lagJson, lagLine, lagTable } from '../output/lag-table.ts';
import { chosenTargets } from '../routes.ts';
import { assertNotStalled, isUndecided, LagWatch, type StoreLag } from '../work/lag.ts';

interface Flags {
  readonly store?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly check?: boolean;
}

const LOOK_EVERY_MS = 2_000;

export const registerLag: RegisterCommand = (program, context) => {
  program
    .command('lag')
    .summary('how far each target store is behind the log, and whether it moves')
    .description(
      'Says how far each target store is behind the log: records, how long the oldest of them has been\n' +
        'waiting, and a state. OK: no record waits for longer than lag.maxSeconds. SLOW: one does, or more comes\n' +
        'than goes. STALLED: records wait and nothing is committed, or nobody follows. Only the log is asked, so\n' +
        'it works whether `run` is running or not. Where a running store is behind it looks for 10 to 15 s, to\n' +
        'tell one that is slow from one that has stopped.',
    )
    .option('--store <list>', 'only these target stores, separated by commas')
    .option('--json', 'print the result as JSON')
    .option('--watch', 'go on looking, and print a line every two seconds, until stopped')
    .option('--check', 'exit with 15 where something is STALLED')
    .action(async (flags: Flags, command) => {
      await withDeployment(configOf(command, context), (deployment) => lag(deployment, flags, context));
    });
};

async function lag(deployment: Deployment, flags: Flags, context: CommandContext): Promise<void> {
  const targets = chosenTargets(deployment.routes, nameList(flags.store));
  const watch = new LagWatch(await deployment.log(), deployment, targets);
  const print = flags.json ? lagJson : flags.watch ? lagLine : lagTable;
  const last = flags.watch ? await watching(watch, context, print) : await decided(watch, context.signal);
  if (!flags.watch) context.print(print(last));
  if (flags.check) assertNotStalled(last);
}

/** Until it is known of each group whether it moves. */
async function decided(watch: LagWatch, signal: AbortSignal): Promise<readonly StoreLag[]> {
  for (;;) {
    const lags = await unlessAborted(watch.look(), signal);
    if (!isUndecided(lags)) return lags;
    await systemClock.sleep(LOOK_EVERY_MS, signal);
  }
}

async function watching(
  watch: LagWatch,
  { signal, print }: CommandContext,
  text: (lags: readonly StoreLag[]) => string,
): Promise<readonly StoreLag[]> {
  for (let last: readonly StoreLag[] = []; ; ) {
    try {
      last = await unlessAborted(watch.look(), signal);
      print(text(last));
      await systemClock.sleep(LOOK_EVERY_MS, signal);
    } catch (error) {
      if (signal.aborted) return last;
      throw error;
    }
  }
}
