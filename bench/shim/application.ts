import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { stringify } from 'yaml';
import { type Config, readConfig } from '../../cli/config.ts';
import { type Deployment, withDeployment } from '../../cli/deployment.ts';
import { type ObservedDictionary, openEmbedded } from '../../cli/embedded.ts';
import { stackConfig } from '../../cli/work/stack-config.ts';
import type { BenchStack } from '../bench-stack.ts';
import { ended, said, startCommand } from '../cli.ts';

export type Origin = 'redis' | 'dictionary' | 'neo4j';

/** A process that writes to one store through the shim and relays what it has written; `changeover run` is another. */
export interface Application extends AsyncDisposable {
  intercepted(redis: Redis): Redis;
  dictionary(): ObservedDictionary;
}

/**
 * Captures the writes to that store and to no other: what else is installed in a target store (the trigger in Neo4j)
 * would have its share of the time.
 */
export async function openApplication(addresses: BenchStack, origin: Origin): Promise<Application> {
  const folder = await mkdtemp(join(tmpdir(), 'changeover-bench-'));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'changeover.yaml');
  await writeFile(file, stringify(configOf(folder, addresses, origin)), { mode: 0o600 });
  await writeFile(join(folder, 'society.json'), '{}');
  const config = readConfig(file, {});
  await withStore(config, origin, async ({ prepare, capture }) => {
    await prepare();
    await capture.install();
  });
  opened.defer(() => withStore(config, origin, ({ capture }) => capture.uninstall()));
  const run = startCommand(['--config', file, 'run']);
  const runEnded = ended(run);
  runEnded.catch(() => {});
  opened.defer(async () => {
    run.kill('SIGTERM');
    await runEnded;
  });
  const changeover = await openEmbedded({ config: file });
  opened.defer(() => changeover.close());
  const stop = new AbortController();
  const relaying = changeover.relay.run(stop.signal);
  relaying.catch(() => {});
  opened.defer(async () => {
    stop.abort();
    await relaying;
  });
  await said(run, 'follows');
  let intercepted: Redis | undefined;
  const owned = opened.move();
  return {
    intercepted: (redis) => {
      intercepted ??= changeover.intercept(redis);
      return intercepted;
    },
    dictionary: () => {
      if (changeover.dictionary === undefined) throw new Error('No dictionary.');
      return changeover.dictionary;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function configOf(folder: string, addresses: BenchStack, origin: Origin): Record<string, unknown> {
  const { legacy, origins, ...rest } = stackConfig(folder, addresses);
  const stores = legacy as Record<string, unknown>;
  return {
    ...rest,
    prefix: `bench-${origin}`,
    legacy: { [origin]: stores[origin] },
    origins: Object.fromEntries(Object.entries(origins as object).filter(([, store]) => store === origin)),
  };
}

async function withStore(
  config: Config,
  name: Origin,
  work: (store: Awaited<ReturnType<Deployment['captured']>>) => Promise<void>,
): Promise<void> {
  await withDeployment(config, async (deployment) => work(await deployment.captured(name)), {
    capture: true,
  });
}
