import { systemClock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { runAll, type Service, unlessAborted } from '../../core/service.ts';
import type { Log } from '../../log/log.ts';
import { type CommandContext, configOf, nameList, type RegisterCommand } from '../command.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { count, items } from '../output/format.ts';
import { relayReporter, relaySummary } from '../output/relay-report.ts';
import { chosenOrigins, chosenTargets } from '../routes.ts';
import { caughtUp, type Follower, followerLag, openFollowers } from '../work/followers.ts';
import { openRelays } from '../work/relays.ts';

interface Flags {
  readonly stores?: string;
  readonly untilCaughtUp?: boolean;
  readonly acceptGap?: boolean;
  readonly relay?: boolean;
}

const REPORT_EVERY_MS = 5_000;

export const registerRun: RegisterCommand = (program, context) => {
  program
    .command('run')
    .summary('apply the log to the target stores, until stopped')
    .description('Applies the log to the target stores, each in a consumer group of its own, until stopped.')
    .option('--stores <list>', 'only these target stores, separated by commas')
    .option('--until-caught-up', 'stop when everything that is in the log now has been applied')
    .option('--accept-gap', 'go on although records have expired that a store did not have yet')
    .option('--relay', 'in the same process, drain the outboxes of all origin stores into the log, too')
    .action(async (flags: Flags, command) => {
      await withDeployment(configOf(command, context), (deployment) => run(deployment, flags, context), {
        capture: flags.relay ?? false,
      });
    });
};

async function run(deployment: Deployment, flags: Flags, context: CommandContext): Promise<void> {
  const targets = chosenTargets(deployment.routes, nameList(flags.stores));
  const followers = await openFollowers(deployment, targets, flags);
  const log = await deployment.log();
  const relaying = flags.relay
    ? await openRelays(deployment, chosenOrigins(deployment.routes, undefined), {
        untilEmpty: flags.untilCaughtUp ?? false,
      })
    : undefined;
  const relays = relaying?.relays ?? [];
  for (const { store, group } of followers) {
    context.note(
      `${store.name} follows ${store.sink.kinds.join(', ')} in group ${deployment.config.prefix}.${group}`,
    );
  }
  for (const { store } of relays) context.note(`${store.name} is relayed into the log`);
  const finished = new AbortController();
  const signal = AbortSignal.any([context.signal, finished.signal]);
  const emptied = Promise.withResolvers<void>();
  const services: Service[] = [
    ...followers.map(({ pipeline }) => pipeline),
    {
      name: 'relays',
      run: async (stop) => {
        await runAll(
          relays.map(({ relay }) => relay),
          stop,
        );
        emptied.resolve();
      },
    },
    ...(relaying?.beside ?? []),
    reporter(log, followers, deployment.logger, context),
    relayReporter(relays, context),
  ];
  if (flags.untilCaughtUp) {
    services.push({
      name: 'until caught up',
      run: async (stop) => {
        try {
          // What the outboxes held is in the log by then, so it is part of what is caught up with.
          await unlessAborted(emptied.promise, stop);
          await Promise.all(followers.map((follower) => caughtUp(log, follower, stop)));
        } catch (error) {
          if (!stop.aborted) throw error;
        }
        finished.abort();
      },
    });
  }
  await runAll(services, signal);
  for (const relay of relays) context.print(relaySummary(relay));
  for (const follower of followers) context.print(summaryOf(follower));
  // Who waits for the end of the work must not take a stop for it.
  if (flags.untilCaughtUp) context.signal.throwIfAborted();
}

function reporter(
  log: Log,
  followers: readonly Follower[],
  logger: Logger,
  context: CommandContext,
): Service {
  return {
    name: 'reporter',
    run: async (signal) => {
      while (!signal.aborted) {
        try {
          await systemClock.sleep(REPORT_EVERY_MS, signal);
        } catch {
          return;
        }
        for (const follower of followers) {
          try {
            const lag = await followerLag(log, follower, signal);
            context.note(`${summaryOf(follower)}; ${count(lag)} to go`);
          } catch (error) {
            if (signal.aborted) return;
            // The pipelines themselves know whether they can go on.
            logger.warn({ store: follower.store.name, reason: messageOf(error) }, 'cannot ask for the lag');
          }
        }
      }
    },
  };
}

function summaryOf({ store, progress }: Follower): string {
  const { received, applied, stale } = progress();
  return `${store.name}: ${items(received, 'change')} received, ${count(applied)} applied, ${count(stale)} stale`;
}
