import { Redis } from 'ioredis';
import neo4j from 'neo4j-driver';
import { ChangeoverError, messageOf, systemCodeOf } from '../../core/errors.ts';
import { loadNeo4j } from '../../society/loaders/load-neo4j.ts';
import { loadRedis } from '../../society/loaders/load-redis.ts';
import { writeDictionary } from '../../society/loaders/society-files.ts';
import type { OnRejected } from '../../society/readers/parsed.ts';
import type { Society } from '../../society/society.ts';
import type { StackAddresses } from '../../stack/addresses.ts';
import type { CommandContext } from '../command.ts';
import { duration, items } from '../output/format.ts';
import { LEGACY_LABELS } from '../work/stack-config.ts';

/** What the stores' own clients say when nobody answers. */
const AWAY = /ServiceUnavailable|SessionExpired|ECONN|EPIPE|ETIMEDOUT|Connection is closed|max retries/i;

/** The loaders use the stores' own clients, whose errors are not ours yet. */
function loadError(store: string, error: unknown): unknown {
  if (error instanceof ChangeoverError) return error;
  const text = `${systemCodeOf(error) ?? ''} ${messageOf(error)}`;
  if (!AWAY.test(text)) return error;
  return new ChangeoverError('unreachable', `Cannot fill ${store}: ${messageOf(error).split('\n')[0]}`, {
    hint: 'Look at `changeover stack status` and the log that it names, then start the demo again.',
    cause: error,
  });
}

interface LegacyPlaces {
  readonly addresses: Pick<StackAddresses, 'neo4j' | 'redis'>;
  readonly dictionaryFile: string;
}

/** Puts the society into the legacy stores with their own clients, as the application that grew up on them would have. */
export async function loadLegacyStores(
  society: Society,
  { addresses, dictionaryFile }: LegacyPlaces,
  onRejected: OnRejected,
  context: CommandContext,
): Promise<void> {
  const timed = async (name: string, load: () => Promise<string>): Promise<void> => {
    context.signal.throwIfAborted();
    const startedMs = performance.now();
    const text = await load().catch((error: unknown) => {
      throw loadError(name, error);
    });
    context.note(`  ${name.padEnd(10)} ${text} in ${duration(performance.now() - startedMs)}`);
  };

  await timed('dictionary', async () => {
    const { agents, relationships } = await writeDictionary(society, dictionaryFile);
    return `${items(agents, 'agent')}, ${items(relationships, 'relationship')}`;
  });
  await timed('neo4j', async () => {
    const { url, user, password, database } = addresses.neo4j;
    const driver = neo4j.driver(url, neo4j.auth.basic(user, password));
    try {
      const counts = await loadNeo4j(society, driver, { database, labels: LEGACY_LABELS, onRejected });
      return `${items(counts.agents, 'agent')}, ${items(counts.relationships, 'relationship')}, ${items(counts.embeddings, 'embedding')}`;
    } finally {
      await driver.close();
    }
  });
  await timed('redis', async () => {
    const { host, port, password } = addresses.redis;
    const redis = new Redis({ host, port, password });
    try {
      const counts = await loadRedis(society, redis, { onRejected });
      return `${items(counts.experiences, 'experience')}, ${items(counts.qValues, 'Q-value')}, ${items(counts.policies, 'policy')}`;
    } finally {
      redis.disconnect();
    }
  });
}
