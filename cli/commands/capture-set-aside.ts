import type { Command } from 'commander';
import type { SetAsideEntry } from '../../connectors/capture.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import { chunkedAsync } from '../../core/sequence.ts';
import { type CommandContext, configOf } from '../command.ts';
import { type CapturedStore, type Deployment, withDeployment } from '../deployment.ts';
import { items } from '../output/format.ts';
import { setAsideTable } from '../output/set-aside-table.ts';
import { chosenOrigins } from '../routes.ts';

interface SetAsideFlags {
  readonly json?: boolean;
  readonly clear?: boolean;
  readonly confirm?: boolean;
}

const ENTRIES_AT_ONCE = 500;

/** `changeover capture set-aside`: to see what the log could not take, and to be done with it. */
export function registerSetAside(capture: Command, context: CommandContext): void {
  capture
    .command('set-aside')
    .argument('[stores...]', 'legacy stores; by default all that are the origin of a kind')
    .summary('list the entries that the log can never take, or forget them')
    .description(
      'Lists what was set aside: of which entity, when it was captured and why the log cannot take it. Write\n' +
        'the entity again, correctly, where that is not done already. Then `--clear --confirm` forgets the\n' +
        'entries; it does not touch the entities, and may run beside relays. Without --confirm it says how many\n' +
        'it would forget.',
    )
    .option('--clear', 'forget the entries instead of listing them')
    .option('--confirm', 'with --clear: do it')
    .option('--json', 'print one JSON object a line for each entry, and with --clear for each store')
    .action(async (stores: readonly string[], flags: SetAsideFlags, command) => {
      if (flags.confirm && !flags.clear) throw new ChangeoverError('usage', '--confirm goes with --clear');
      const asked = stores.length === 0 ? undefined : stores;
      await withDeployment(
        configOf(command, context),
        (deployment) => {
          const names = chosenOrigins(deployment.routes, asked);
          return flags.clear
            ? clear(deployment, names, flags, context)
            : list(deployment, names, flags, context);
        },
        { capture: true },
      );
    });
}

/** A store that does not answer keeps back nothing of the others. */
async function list(
  deployment: Deployment,
  names: readonly string[],
  flags: SetAsideFlags,
  context: CommandContext,
): Promise<void> {
  const errors: unknown[] = [];
  for (const name of names) {
    try {
      await listStore(await deployment.captured(name), flags, context);
    } catch (error) {
      if (context.signal.aborted) throw error;
      context.note(`legacy.${name}: ${messageOf(error)}`);
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

async function listStore(
  { name, capture }: CapturedStore,
  { json = false }: SetAsideFlags,
  context: CommandContext,
): Promise<void> {
  const { print, signal } = context;
  let found = false;
  for await (const entries of chunkedAsync(capture.setAsideEntries(), ENTRIES_AT_ONCE)) {
    signal.throwIfAborted();
    found = true;
    show(name, entries, json, context);
  }
  if (!found && !json) print(`${name}: nothing is set aside`);
}

async function clear(
  deployment: Deployment,
  names: readonly string[],
  { confirm = false, json = false }: SetAsideFlags,
  context: CommandContext,
): Promise<void> {
  const { print, signal } = context;
  // All of them are looked at before anything is forgotten.
  const stores = await Promise.all(names.map((name) => deployment.captured(name)));
  if (!confirm) await requireNothingAside(stores);
  for (const { name, capture } of stores) {
    let cleared = 0;
    for await (const entries of chunkedAsync(capture.setAsideEntries(), ENTRIES_AT_ONCE)) {
      signal.throwIfAborted();
      // What a relay has put there since somebody looked is seen at least now.
      show(name, entries, json, context);
      cleared += await capture.clearSetAside(entries.map(({ id }) => id));
    }
    print(json ? JSON.stringify({ store: name, cleared }) : `${name}: ${items(cleared, 'entry')} forgotten`);
  }
}

function show(
  store: string,
  entries: readonly SetAsideEntry[],
  json: boolean,
  { print }: CommandContext,
): void {
  if (!json) print(setAsideTable(store, entries));
  else for (const entry of entries) print(JSON.stringify({ store, ...entry }));
}

async function requireNothingAside(stores: readonly CapturedStore[]): Promise<void> {
  const counts = await Promise.all(
    stores.map(async ({ name, capture }) => ({ name, setAside: (await capture.status()).setAside })),
  );
  const kept = counts.filter(({ setAside }) => setAside > 0);
  if (kept.length === 0) return;
  const texts = kept.map(({ name, setAside }) => `${items(setAside, 'entry')} of ${name}`);
  throw new ChangeoverError('usage', `This would forget ${texts.join(' and ')}`, {
    hint: 'Look at them without --clear. Then repeat with --confirm: nothing brings them back.',
  });
}
