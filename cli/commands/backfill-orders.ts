import { type Command, InvalidArgumentError } from 'commander';
import type { Log } from '../../log/log.ts';
import { orderPause, orderRate } from '../../producers/backfill/orders.ts';
import { type CommandContext, configOf, optionText, type RegisterCommand } from '../command.ts';
import { configSchema } from '../config.ts';
import { withDeployment } from '../deployment.ts';
import { backfillStatusText } from '../output/backfill-status.ts';
import { exact } from '../output/format.ts';
import { backfillStanding } from '../work/backfill-orders.ts';

/** What is said to the backfills that run, wherever they run: through the control topic. */
export const registerBackfillOrders: RegisterCommand = (backfill, context) => {
  backfill
    .command('pause')
    .summary('have every backfill stand still where it is')
    .description(
      'Has every backfill stand still where it is, within a second, also one that is started later, until `resume`.',
    )
    .action(async (_flags, command: Command) => {
      await withLog(command, context, async (log) => {
        await orderPause(log.control, true);
        context.print('Backfills stand still until `changeover backfill resume`.');
      });
    });
  backfill
    .command('resume')
    .summary('have them go on where they were')
    .action(async (_flags, command: Command) => {
      await withLog(command, context, async (log) => {
        await orderPause(log.control, false);
        context.print('Backfills go on.');
      });
    });
  backfill
    .command('rate')
    .summary('hold all of them together to so many entities a second')
    .description(
      'Holds all processes that run a backfill together to so many entities a second over all kinds, instead of --rate\n' +
        'and backfill.ratePerSecond, also those that are started later, until `rate none`.',
    )
    .argument('<n>', 'entities a second, or none for as configured', rateText)
    .action(async (perSecond: number | null, _flags, command: Command) => {
      await withLog(command, context, async (log) => {
        await orderRate(log.control, perSecond);
        const rate = perSecond === null ? 'as fast as configured' : `${exact(perSecond)} entities a second`;
        context.print(`Backfills go at ${rate}.`);
      });
    });
  backfill
    .command('status')
    .summary('what was ordered, how far the newest run is, and what each process says')
    .option('--json', 'print the result as JSON')
    .action(async (_flags, command: Command) => {
      // `backfill` itself has an option of that name, and takes it.
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      await withLog(command, context, async (log) => {
        const standing = await backfillStanding(log);
        context.print(json ? JSON.stringify(standing) : backfillStatusText(standing));
      });
    });
};

function rateText(text: string): number | null {
  if (text === 'none') return null;
  const { ratePerSecond } = configSchema.shape.backfill.unwrap().shape;
  const parsed = optionText(ratePerSecond)(text);
  if (parsed === undefined) throw new InvalidArgumentError('It must be a number above 0, or none.');
  return parsed;
}

async function withLog(
  command: Command,
  context: CommandContext,
  work: (log: Log) => Promise<void>,
): Promise<void> {
  await withDeployment(configOf(command, context), async (deployment) => {
    const log = await deployment.log();
    await log.prepare();
    await work(log);
  });
}
