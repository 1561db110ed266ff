import { Registry } from 'prom-client';
import type { PartitionLag } from '../../consumers/lag/read-lag.ts';
import { systemClock } from '../../core/clock.ts';
import { createFollowerMetrics, type FollowerMetrics } from '../../core/metrics/follower-metrics.ts';
import { runAll, type Service, unlessAborted } from '../../core/service.ts';
import type { Log } from '../../log/log.ts';
import { type CommandContext, configOf, nameList, type RegisterCommand } from '../command.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { followerNote, followerSummary } from '../output/follower-report.ts';
import { relayReporter, relaySummary } from '../output/relay-report.ts';
import { chosenOrigins, chosenTargets } from '../routes.ts';
import { assertNothingRefused } from '../work/dead-letters.ts';
import { caughtUp, type Follower, followerHealth, openFollowers } from '../work/followers.ts';
import { metricsServer } from '../work/metrics-server.ts';
import { openRelays, type RelayOfStore, relayHealth } from '../work/relays.ts';
import { watchLag } from '../work/watch-lag.ts';

interface Flags {
  readonly stores?: string;
  readonly untilCaughtUp?: boolean;
  readonly acceptGap?: boolean;
  readonly relay?: boolean;
}

interface Observed {
  readonly followers: readonly Follower[];
  readonly relays: readonly RelayOfStore[];
  readonly registry: Registry;
  readonly metrics: FollowerMetrics;
}

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
  const registry = new Registry();
  const metrics = createFollowerMetrics(registry, systemClock);
  const followers = await openFollowers(deployment, targets, {
    acceptGap: flags.acceptGap ?? false,
    metrics,
    // Who waits for the end of the work hears at once that it has none.
    waitsForOthers: !(flags.untilCaughtUp ?? false),
  });
  const log = await deployment.log();
  const relaying = flags.relay
    ? await openRelays(deployment, chosenOrigins(deployment.routes, undefined), {
        untilEmpty: flags.untilCaughtUp ?? false,
        registry,
        // One address for all that runs here.
        listens: false,
      })
    : undefined;
  const relays = relaying?.relays ?? [];
  for (const { name, kinds, group, missing } of followers) {
    context.note(`${name} follows ${kinds.join(', ')} in group ${deployment.config.prefix}.${group}`);
    if (missing !== undefined) context.note(`${name} is not there and is waited for: ${missing.message}`);
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
    ...observers(log, { followers, relays, registry, metrics }, deployment, context),
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
  for (const follower of followers) context.print(followerSummary(follower));
  // Who waits for the end of the work must not take a stop for it.
  if (flags.untilCaughtUp) {
    context.signal.throwIfAborted();
    assertNothingRefused(followers);
  }
}

/** What runs beside the pipelines to say how they are: on standard error, and to Prometheus where it is wanted. */
function observers(log: Log, observed: Observed, deployment: Deployment, context: CommandContext): Service[] {
  const { followers, relays, registry, metrics } = observed;
  const { config, logger } = deployment;
  const metricsOf: Service[] = [];
  const option = config.run.metricsAddress === undefined ? 'relay.metricsAddress' : 'run.metricsAddress';
  const address = config.run.metricsAddress ?? (relays.length > 0 ? config.relay.metricsAddress : undefined);
  const health = () => ({ ...followerHealth(followers), ...relayHealth(relays) });
  if (address !== undefined) metricsOf.push(metricsServer({ option, address, registry, health }));
  const onLag = (follower: Follower, lag: readonly PartitionLag[] | undefined): void => {
    metrics.lag(follower.name, lag);
    if (lag !== undefined) context.note(followerNote(follower, lag));
  };
  return [...metricsOf, watchLag({ log, followers, logger, onLag }), relayReporter(relays, context)];
}
