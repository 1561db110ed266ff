import { runAll, type Service } from '../../core/service.ts';
import { type CommandContext, configOf, nameList, type RegisterCommand } from '../command.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { items } from '../output/format.ts';
import { relayReporter, relaySummary } from '../output/relay-report.ts';
import { chosenOrigins } from '../routes.ts';
import { openRelays, type RelayOfStore } from '../work/relays.ts';

interface Flags {
  readonly stores?: string;
  readonly untilEmpty?: boolean;
}

export const registerRelay: RegisterCommand = (program, context) => {
  program
    .command('relay')
    .summary('publish what the outboxes of the legacy stores hold to the log, until stopped')
    .description(
      'Publishes captured writes to the log, in order, and takes them out of the outbox once the log has confirmed them.\n' +
        'Several may run for one store: one works, the others wait. It can be killed at any moment.',
    )
    .option('--stores <list>', 'only these legacy stores, separated by commas')
    .option('--until-empty', 'stop when the outboxes are empty')
    .action(async (flags: Flags, command) => {
      await withDeployment(configOf(command, context), (deployment) => relay(deployment, flags, context), {
        capture: true,
      });
    });
};

async function relay(deployment: Deployment, flags: Flags, context: CommandContext): Promise<void> {
  const names = chosenOrigins(deployment.routes, nameList(flags.stores));
  const { relays, beside } = await openRelays(deployment, names, { untilEmpty: flags.untilEmpty ?? false });
  for (const each of relays) await noteStart(each, context);
  const finished = new AbortController();
  const untilEnd: Service = {
    name: 'relays',
    run: async (stop) => {
      await runAll(
        relays.map((each) => each.relay),
        stop,
      );
      finished.abort();
    },
  };
  const services = [untilEnd, ...beside, relayReporter(relays, context)];
  await runAll(services, AbortSignal.any([context.signal, finished.signal]));
  for (const each of relays) context.print(relaySummary(each));
  // Who waits for the end of the work must not take a stop for it.
  if (flags.untilEmpty) context.signal.throwIfAborted();
}

async function noteStart({ store }: RelayOfStore, { note }: CommandContext): Promise<void> {
  const { active, detail, entries } = await store.capture.status();
  note(`${store.name} is relayed into the log; ${items(entries, 'entry')} in the outbox`);
  if (!active) note(`${store.name} is not captured at the moment: ${detail}`);
}
