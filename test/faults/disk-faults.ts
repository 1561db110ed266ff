import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { readHistory } from '../live/history.ts';
import type { LivePlaces } from '../live/live-places.ts';
import type { Fault } from './fault.ts';
import { makeSmallDisk, type SmallDisk } from './small-disk.ts';

/** Beside what is there at first. */
const ROOM_OF_DICTIONARY_BYTES = 8 * 1024 * 1024;
const ROOM_OF_POSTGRES_BYTES = 64 * 1024 * 1024;
const FULL_MS = 6_000;
/** For the processes of a server that lost the one that started them. */
const ALONE_MS = 1_500;
const NO_SPACE = 10;

/** Each folder gets a small disk, which is full for a while, and then its own place back. */
export const DISK_FAULTS: readonly Fault[] = [
  {
    name: 'full disk: dictionary with its journal and outbox',
    needsRoot: true,
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
        const refused = (): number => refusedForWantOfRoom(places);
        const before = refused();
        await whileFull(disk, () => pause(FULL_MS));
        assert.ok(refused() > before, 'no write was refused, so the disk was not full');
        await pause(FULL_MS);
      } finally {
        await withoutUsers(() => disk.remove());
      }
    },
  },
  {
    name: 'full disk: postgres',
    needsRoot: true,
    needsOwnServers: true,
    strike: async ({ servers, pause }) => {
      if (servers === undefined) throw new Error('These servers are not ours to break.');
      const withoutPostgres = async <T>(work: () => T): Promise<T> => {
        await servers.kill('postgres');
        await pause(ALONE_MS);
        try {
          return work();
        } finally {
          await servers.up();
        }
      };
      const folder = servers.folderOf('postgres');
      const disk = await withoutPostgres(() => makeSmallDisk(folder, ROOM_OF_POSTGRES_BYTES));
      try {
        await pause(FULL_MS);
        await whileFull(disk, () => pause(FULL_MS));
        // It may have stopped itself for want of room.
        await servers.up();
        await pause(FULL_MS);
      } finally {
        await withoutPostgres(() => disk.remove());
      }
    },
  },
];

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
