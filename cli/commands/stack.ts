import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { ChangeoverError } from '../../core/errors.ts';
import {
  DEFAULT_SERVICES,
  SERVICE_NAMES,
  type ServiceName,
  type StackAddresses,
} from '../../stack/addresses.ts';
import { openStack, type Stack } from '../../stack/stack.ts';
import type { CommandContext, RegisterCommand } from '../command.ts';
import { wholeNumber } from '../command.ts';
import { DEFAULT_CONFIG_FILE } from '../config.ts';
import { bytes, duration, table } from '../output/format.ts';
import { writeStackConfig } from '../work/stack-config.ts';

export const DEFAULT_STACK_DIR = '.changeover/stack';

interface Flags {
  readonly dir: string;
}

interface LogFlags extends Flags {
  readonly lines: number;
  readonly follow?: boolean;
}

function serviceName(text: string): ServiceName {
  const name = SERVICE_NAMES.find((each) => each === text.trim());
  if (name === undefined) throw new InvalidArgumentError(`The services are ${SERVICE_NAMES.join(', ')}.`);
  return name;
}

function serviceList(text: string): readonly ServiceName[] {
  return text.split(',').map(serviceName);
}

export const registerStack: RegisterCommand = (program, context) => {
  const stack = program
    .command('stack')
    .summary('the real servers, on this machine, without containers')
    .description(
      'Kafka, Neo4j, Milvus, Postgres and Redis as processes of this machine, on free loopback ports.',
    );
  const add = (name: string, description: string): Command =>
    stack
      .command(name)
      .description(description)
      .option('--dir <folder>', 'data folder of the stack', DEFAULT_STACK_DIR);

  add(
    'up',
    'Starts what does not run, downloading it at the first time; writes a configuration that points at it.',
  )
    .option('--services <list>', 'only these services', serviceList)
    .action((flags: Flags & { services?: readonly ServiceName[] }) => up(flags, context));
  add('status', 'Says of each server whether it runs and where.')
    .option('--json', 'print as JSON, with addresses and passwords')
    .action((flags: Flags & { json?: boolean }) => status(flags, context));
  add('logs', 'Shows the end of what a server has said.')
    .argument('<service>', `one of ${SERVICE_NAMES.join(', ')}`, serviceName)
    .option('-n, --lines <n>', 'how many lines', wholeNumber, 50)
    .option('-f, --follow', 'go on with what is added')
    .action((service: ServiceName, flags: LogFlags) => logs(service, flags, context));
  add('down', 'Stops every server of the stack; data stays.').action(async (flags: Flags) => {
    await (await open(flags, context)).down();
    context.note('Stopped; the data stays.');
  });
  add('reset', 'Stops every server of the stack and deletes its data.').action(async (flags: Flags) => {
    const stack = await open(flags, context);
    await stack.reset();
    const rest = existsSync(stack.dir) ? ` What else is in ${stack.dir} stays.` : '';
    context.note(`Stopped and deleted.${rest}`);
  });
};

function open<Name extends ServiceName>(
  flags: Flags,
  context: CommandContext,
  services: readonly Name[] = DEFAULT_SERVICES as readonly ServiceName[] as readonly Name[],
): Promise<Stack<Name>> {
  return openStack({
    dir: flags.dir,
    // `up` writes it anew each time, and its passwords are worth nothing after a reset.
    files: [DEFAULT_CONFIG_FILE],
    services,
    env: context.env,
    signal: context.signal,
    onProgress: ({ service, message }) => context.note(`${service.padEnd(12)} ${message}`),
  });
}

async function up(
  flags: Flags & { services?: readonly ServiceName[] },
  context: CommandContext,
): Promise<void> {
  const stack = await open(flags, context, flags.services);
  await stack.up();
  const addresses = await stack.addresses();
  const file = await writeStackConfig(stack.dir, addresses);
  context.print(addressTable(addresses));
  context.note(
    `A configuration that points at them: ${file}\nStop them with: changeover stack down --dir ${flags.dir}`,
  );
}

async function status(flags: Flags & { json?: boolean }, context: CommandContext): Promise<void> {
  const stack = await open(flags, context);
  const [statuses, addresses] = [await stack.status(), await stack.addresses()];
  if (flags.json) {
    context.print(JSON.stringify({ services: statuses, addresses }));
    return;
  }
  if (statuses.length === 0) context.note(`Nothing was ever started in ${resolve(flags.dir)}.`);
  const rows = statuses.map((each) => [
    each.service,
    each.state,
    each.pids.length === 0 ? '' : bytes(each.residentBytes),
    each.uptimeMs === undefined ? '' : duration(each.uptimeMs),
    addressOf(addresses, each.service),
    each.problem ?? '',
  ]);
  context.print(table(['service', 'state', 'memory', 'up for', 'address', ''], rows));
  if (statuses.some((each) => each.state === 'dead' || each.state === 'unready')) {
    throw new ChangeoverError('unreachable', 'Part of the stack does not work', {
      hint: `changeover stack up --dir ${flags.dir} starts what is missing.`,
    });
  }
}

async function logs(
  service: ServiceName,
  { lines, follow = false, ...flags }: LogFlags,
  context: CommandContext,
): Promise<void> {
  const stack = await open(flags, context);
  for await (const line of stack.logs(service, { lines, follow, signal: context.signal }))
    context.print(line);
}

function addressTable(addresses: Partial<StackAddresses>): string {
  const started = SERVICE_NAMES.filter((name) => addresses[name] !== undefined);
  return table(
    ['service', 'address'],
    started.map((name) => [name, addressOf(addresses, name)]),
  );
}

/** Where a client finds the service; without its password, which the written configuration holds. */
function addressOf(
  { kafka, neo4j, milvus, postgres, redis, ...rest }: Partial<StackAddresses>,
  name: ServiceName,
): string {
  switch (name) {
    case 'kafka':
      return kafka?.brokers.join(',') ?? '';
    case 'neo4j':
      return neo4j?.url ?? '';
    case 'neo4j-legacy':
      return rest['neo4j-legacy']?.url ?? '';
    case 'milvus':
      return milvus?.address ?? '';
    case 'postgres':
      return postgres === undefined ? '' : `${postgres.host}:${postgres.port}`;
    case 'redis':
      return redis === undefined ? '' : `${redis.host}:${redis.port}`;
    default:
      return name satisfies never;
  }
}
