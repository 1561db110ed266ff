import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { dropTopics } from '../support/kafka-topics.ts';
import { type Migration, openMigration } from '../support/migration.ts';
import { testStack } from '../support/stack.ts';
import { firstSociety } from './first-state.ts';
import { ORIGIN_STORES, type OriginStore } from './key-space.ts';
import { openOrigin } from './open-origin.ts';
import { openMilvusTarget } from './read-milvus.ts';
import { openNeo4jTarget } from './read-neo4j.ts';
import { openPostgresTarget } from './read-postgres.ts';
import type { TargetReader } from './target-reader.ts';

/** Few keys, so few entries: the dictionary's journal is folded every second or two. */
const COMPACT_AFTER = { compactAfterEntries: 40, compactAfterBytes: 64 * 1024 } as const;

/** The server looks for changed triggers once a second. */
const TRIGGERS_REFRESHED_MS = 1_500;

/** Everything that one run has to itself on the shared servers. */
export interface LivePlaces {
  readonly migration: Migration;
  readonly historyFile: (store: OriginStore) => string;
  /** Plain readers of the targets; once the targets have been prepared. */
  targets(): Promise<readonly TargetReader[]>;
  /** Entries that wait in all outboxes. */
  waiting(): Promise<number>;
  close(): Promise<void>;
}

export async function openLivePlaces(): Promise<LivePlaces> {
  const migration = await openMigration();
  try {
    await adjustConfig(migration.configFile);
    await migration.load(firstSociety());
    await installCapture(migration.configFile);
  } catch (error) {
    await dropTriggers(migration).finally(() => migration.close());
    throw error;
  }
  const { neo4j, milvus, postgres } = testStack();
  const readers: TargetReader[] = [];
  return {
    migration,
    historyFile: (store) => join(migration.folder, `history-${store}.ndjson`),
    async targets() {
      if (readers.length === 0) {
        readers.push(
          openNeo4jTarget(migration.neo4j, neo4j.database, migration.labels.agent),
          openMilvusTarget(milvus.address, migration.name),
          await openPostgresTarget(postgres.url, migration.name),
        );
      }
      return readers;
    },
    waiting: () => entriesWaiting(migration.configFile),
    async close() {
      await Promise.allSettled(readers.map((reader) => reader.close()));
      await dropTriggers(migration).finally(() => migration.close());
      await dropTopics(testStack().kafka.brokers[0] ?? '', `${migration.name}.`);
    },
  };
}

async function adjustConfig(file: string): Promise<void> {
  const config = parse(await readFile(file, 'utf8'));
  config.legacy.dictionary = { ...config.legacy.dictionary, ...COMPACT_AFTER };
  await writeFile(file, stringify(config), { mode: 0o600 });
}

async function installCapture(configFile: string): Promise<void> {
  for (const name of ORIGIN_STORES) {
    const origin = await openOrigin(configFile, name);
    try {
      await origin.store.prepare();
      await origin.store.capture.install();
    } finally {
      await origin.close();
    }
  }
}

async function entriesWaiting(configFile: string): Promise<number> {
  let entries = 0;
  for (const name of ORIGIN_STORES) {
    const origin = await openOrigin(configFile, name);
    try {
      const { entries: waiting, setAside, lostSinceUs } = await origin.store.capture.status();
      entries += waiting;
      if (setAside > 0 || lostSinceUs !== null)
        throw new Error(
          `legacy.${name}: ${setAside} entries were set aside, capture lost since ${lostSinceUs}`,
        );
    } finally {
      await origin.close();
    }
  }
  return entries;
}

/** Triggers are the database's, and would go on for whoever uses it next. */
async function dropTriggers({ neo4j: driver, name }: Migration): Promise<void> {
  const { database } = testStack().neo4j;
  const onSystem = { database: 'system' };
  const { records } = await driver.executeQuery(
    'CALL apoc.trigger.show($database) YIELD name RETURN name',
    { database },
    onSystem,
  );
  const ours = records.map((record) => String(record.get('name'))).filter((each) => each.includes(name));
  for (const trigger of ours)
    await driver.executeQuery('CALL apoc.trigger.drop($database, $trigger)', { database, trigger }, onSystem);
  if (ours.length > 0) await sleep(TRIGGERS_REFRESHED_MS);
}
