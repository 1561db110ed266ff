import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { type CommandContext, configOf, type RegisterCommand } from '../command.ts';
import { type CapturedStore, type Deployment, withDeployment } from '../deployment.ts';
import { captureTable } from '../output/capture-table.ts';
import { items } from '../output/format.ts';
import { chosenOrigins } from '../routes.ts';
import { assertCaptured, plainStatus, statusesOf } from '../work/capture-status.ts';
import { registerSetAside } from './capture-set-aside.ts';

interface StatusFlags {
  readonly json?: boolean;
}

export const registerCapture: RegisterCommand = (program, context) => {
  const capture = program
    .command('capture')
    .summary('have the writes to the legacy stores captured, or see whether they are');
  const action =
    <F>(work: (deployment: Deployment, names: readonly string[], flags: F) => Promise<void>) =>
    async (stores: readonly string[], flags: F, command: Parameters<typeof configOf>[0]): Promise<void> => {
      const asked = stores.length === 0 ? undefined : stores;
      await withDeployment(
        configOf(command, context),
        (deployment) => work(deployment, chosenOrigins(deployment.routes, asked), flags),
        { capture: true },
      );
    };

  capture
    .command('install')
    .argument('[stores...]', 'legacy stores; by default all that are the origin of a kind')
    .summary('make what capture needs in the legacy stores')
    .description(
      'Makes outboxes, constraints and triggers, and makes capture active where the store itself captures (Neo4j).\n' +
        'Repeating it is harmless.',
    )
    .action(action<object>((deployment, names) => install(deployment, names, context)));
  capture
    .command('status')
    .argument('[stores...]', 'legacy stores; by default all that are the origin of a kind')
    .summary('say whether writes are captured, and what waits for the log')
    .description(
      'Exit code 0 when all are captured and nothing was lost or set aside. Else the first of these that holds:\n' +
        '9 writes went uncaptured, and that has not been made good; 6, 7 or another the error of a store that gave\n' +
        'no answer; 8 a store is not captured; 3 entries were set aside. All stores are shown in any case.',
    )
    .option('--json', 'print the result as JSON')
    .action(action<StatusFlags>((deployment, names, flags) => status(deployment, names, flags, context)));
  registerSetAside(capture, context);
  capture
    .command('uninstall')
    .argument('[stores...]', 'legacy stores; by default all that are the origin of a kind')
    .summary('end capture')
    .description(
      'Ends capture. Refuses while an outbox holds entries: run `changeover relay --until-empty` before.',
    )
    .action(action<object>((deployment, names) => uninstall(deployment, names, context)));
};

function opened(deployment: Deployment, names: readonly string[]): Promise<readonly CapturedStore[]> {
  return Promise.all(names.map((name) => deployment.captured(name)));
}

async function install(
  deployment: Deployment,
  names: readonly string[],
  { print }: CommandContext,
): Promise<void> {
  for (const store of await opened(deployment, names)) {
    await store.prepare();
    await store.capture.install();
    const { detail } = await store.capture.status();
    print(`${store.name}: installed; ${detail}`);
  }
}

async function uninstall(
  deployment: Deployment,
  names: readonly string[],
  { print }: CommandContext,
): Promise<void> {
  const stores = await opened(deployment, names);
  // All of them are looked at before the first one ends.
  for (const store of stores) await requireEmpty(store);
  for (const store of stores) {
    await store.capture.uninstall();
    print(`${store.name}: not captured any more`);
  }
}

async function requireEmpty(store: CapturedStore): Promise<void> {
  const { entries } = await store.capture.status();
  if (entries === 0) return;
  throw new ChangeoverError('conflict', `The outbox of ${store.name} holds ${items(entries, 'entry')}`, {
    hint: 'Run `changeover relay --until-empty` first: what is in the outbox would be lost.',
  });
}

async function status(
  deployment: Deployment,
  names: readonly string[],
  { json = false }: StatusFlags,
  { print }: CommandContext,
): Promise<void> {
  const statuses = await statusesOf(deployment, names);
  print(
    json
      ? JSON.stringify({ stores: statuses.map(plainStatus) })
      : captureTable(statuses, systemClock.nowUs()),
  );
  assertCaptured(statuses);
}
