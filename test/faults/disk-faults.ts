import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { readHistory } from '../live/history.ts';
import type { LivePlaces } from '../live/live-places.ts';
import { testStack } from '../support/stack.ts';
import type { AskForProof, Fault, OwnServers, World } from './fault.ts';
import { Proof } from './proof.ts';
import { ownServersOf } from './server-faults.ts';
import { makeSmallDisk, type SmallDisk } from './small-disk.ts';

/** Beside what is there at first. */
const ROOM_OF_DICTIONARY_BYTES = 8 * 1024 * 1024;
const ROOM_OF_POSTGRES_BYTES = 64 * 1024 * 1024;
const FULL_MS = 6_000;
/** For the processes of a server that lost the one that started them. */
const ALONE_MS = 1_500;
const REFUSED_WITHIN_MS = 30_000;
const NO_SPACE = 10;

/** Each folder gets a small disk, which is full for a while, and then its own place back. */
export const DISK_FAULTS: readonly Fault[] = [
  {
    name: 'full disk: dictionary with its journal and outbox',
    needsRoot: true,
    outOfReach: {},
    mayEndWith: [NO_SPACE],
    strike: async ({ places, lives, pause }) => {
      const users = [...lives('writer', 'dictionary'), ...lives('relay', 'dictionary'), ...lives('backfill')];
      const withoutUsers = async <T>(work: () => T): Promise<T> => {
        await Promise.all(users.map((each) => each.pause()));
        try {
          return work();
        } finally {
          for (const each of users) each.resume();
        }
      };
      const folder = dirname(places.migration.dictionaryFile);
      const disk = await withoutUsers(() => makeSmallDisk(folder, ROOM_OF_DICTIONARY_BYTES));
      try {
        await pause(FULL_MS);
        const before = refusedForWantOfRoom(places);
        await whileFull(disk, () => pause(FULL_MS));
        const refused = refusedForWantOfRoom(places) - before;
        await pause(FULL_MS);
        return () => Proof.counted(refused, 'writes refused for want of room');
      } finally {
        await withoutUsers(() => disk.remove());
      }
    },
  },
  {
    name: 'full disk: postgres',
    needsRoot: true,
    needsOwnServers: true,
    outOfReach: { down: ['postgres'] },
    strike: async (world) => {
      const servers = ownServersOf(world);
      const folder = servers.folderOf('postgres');
      const disk = await withoutPostgres(servers, () => makeSmallDisk(folder, ROOM_OF_POSTGRES_BYTES));
      try {
        await servers.up();
        return await fillPostgres(world, servers, disk);
      } finally {
        await withoutPostgres(servers, () => disk.remove());
        await servers.up();
      }
    },
  },
];

async function fillPostgres({ pause }: World, servers: OwnServers, disk: SmallDisk): Promise<AskForProof> {
  await pause(FULL_MS);
  const before = outOfRoom(servers);
  await whileFull(disk, async () => {
    await writeUntilRefused();
    await pause(FULL_MS);
  });
  const refused = outOfRoom(servers) - before;
  // It may have stopped itself for want of room.
  await servers.up();
  await pause(FULL_MS);
  return () => Proof.counted(refused, 'times Postgres has had no space left on its device');
}

/**
 * Somebody else writes much to its write-ahead log, until that needs a file more: what our own few keys need finds room in what is
 * there for a long time.
 */
async function writeUntilRefused(): Promise<void> {
  const rival = new pg.Client({ connectionString: testStack().postgres.url, application_name: 'rival' });
  rival.on('error', () => {});
  const untilMs = performance.now() + REFUSED_WITHIN_MS;
  try {
    await rival.connect();
    while (performance.now() < untilMs)
      await rival.query("SELECT pg_logical_emit_message(true, 'rival', repeat('x', 1000000))");
  } catch {
    // Its log says why: that is looked at when it is over.
  } finally {
    await rival.end().catch(() => {});
  }
}

/**
 * Nothing in here waits as a fault does, or starts the server again: where the run has been stopped, both throw, and the disk has to
 * be taken away all the same, before the folder of the servers is.
 */
async function withoutPostgres<T>(servers: OwnServers, work: () => T): Promise<T> {
  if ((await servers.pidOf('postgres')) !== undefined) await servers.kill('postgres');
  await sleep(ALONE_MS);
  return work();
}

/** As its log has it; 53100 is the code that clients get then. */
function outOfRoom(servers: OwnServers): number {
  return readFileSync(servers.logFileOf('postgres'), 'utf8').split('No space left on device').length - 1;
}

/** Writes to the dictionary of which the application was told that there is no room. */
function refusedForWantOfRoom(places: LivePlaces): number {
  return readHistory(places.historyFile('dictionary')).filter(
    (event) => event.event === 'failed' && /no space|ENOSPC|disk/i.test(event.detail ?? ''),
  ).length;
}

async function whileFull(disk: SmallDisk, work: () => Promise<void>): Promise<void> {
  const free = disk.fill();
  try {
    await work();
  } finally {
    free();
  }
}
