import { runAll } from '../../core/service.ts';
import { type CommandContext, configOf, optionText, type RegisterCommand } from '../command.ts';
import { configSchema } from '../config.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { relayReporter, relaySummary } from '../output/relay-report.ts';
import { openIngest } from '../work/serve.ts';

interface Flags {
  readonly host?: string;
  readonly port?: number;
  readonly relay: boolean;
}

export const registerServe: RegisterCommand = (program, context) => {
  const { host, port } = configSchema.shape.server.unwrap().shape;
  program
    .command('serve')
    .summary('take changes by HTTP, until stopped')
    .description(
      'Takes changes by HTTP as JSON or CloudEvents (POST /v1/changes) and writes each to the store that is the origin of its\n' +
        'kind, captured; or with ingest.mode log straight to the log. It answers 202 only for what is durable.',
    )
    .option('--host <host>', 'name or address to listen at', optionText(host))
    .option('--port <port>', 'port to listen at; 0 takes any that is free', optionText(port))
    .option('--no-relay', 'leave the outboxes to a `changeover relay` elsewhere')
    .action(async (flags: Flags, command) => {
      await withDeployment(configOf(command, context), (deployment) => serve(deployment, flags, context), {
        capture: true,
      });
    });
};

async function serve(
  deployment: Deployment,
  { host, port, relay }: Flags,
  context: CommandContext,
): Promise<void> {
  const { server } = deployment.config;
  const ingest = await openIngest(deployment, {
    server: { ...server, host: host ?? server.host, port: port ?? server.port },
    relay,
  });
  context.note(`Listening at ${ingest.address}`);
  for (const { store } of ingest.relays) context.note(`${store.name} is relayed into the log`);
  const services = [
    ...ingest.services,
    ...(ingest.relays.length === 0 ? [] : [relayReporter(ingest.relays, context)]),
  ];
  await runAll(services, context.signal);
  for (const each of ingest.relays) context.print(relaySummary(each));
}
