import assert from 'node:assert/strict';
import { keyAt } from '../live/key-space.ts';
import { openOrigin } from '../live/open-origin.ts';
import { countedAtRest, type Put } from './at-rest.ts';
import { copyRecords } from './copies.ts';
import type { Fault, World } from './fault.ts';
import { shuffledSome } from './log-meddler.ts';
import { deadLettered, poisonIn } from './poisoned.ts';
import type { Stored } from './read-topic.ts';

const SOME = 200;
/** More than any record of ours has, and more than the brokers take before they are told to. */
const OVERSIZED_BYTES = 3_000_000;
/** Avro's single-object encoding: two bytes, then eight that name the schema. */
const HEADER_BYTES = 10;

export const LOG_FAULTS: readonly Fault[] = [
  {
    name: 'duplicates: records three times',
    outOfReach: {},
    strike: (world) =>
      copyRecords(world, {
        pick: (records, random) => shuffledSome(records, SOME, random).flatMap((each) => [each, each, each]),
        is: () => true,
        what: 'copies',
      }),
  },
  {
    name: 'reordering within a key: old records after new ones',
    outOfReach: {},
    strike: (world) =>
      copyRecords(world, {
        pick: (records, random) => shuffledSome(records, SOME, random),
        is: ({ isOld }) => isOld,
        what: 'old records after newer ones of their key',
      }),
  },
  {
    name: 'late updates after deletes',
    outOfReach: {},
    strike: (world) =>
      copyRecords(world, {
        pick: (records) => {
          const dead = new Set(records.filter(({ isDelete }) => isDelete).map(({ key }) => key));
          return records.filter(({ key, isDelete }) => !isDelete && dead.has(key));
        },
        is: ({ isDead }) => isDead,
        what: 'updates after the delete that is the last of their key',
      }),
  },
  {
    name: 'poison: bytes that are no change / an unknown fingerprint / no value',
    outOfReach: {},
    strike: async (world) => {
      const { meddler } = world;
      const before = poisonIn(world);
      await meddler.poison('agent', 'poison bytes', Buffer.from('not a change at all'));
      const unknown = Buffer.concat([Buffer.from([0xc3, 0x01]), Buffer.alloc(8, 7), Buffer.from('x')]);
      await meddler.poison('agent', 'poison schema', unknown);
      await meddler.poison('agent', 'poison nothing', null);
      return deadLettered(world, before);
    },
  },
  {
    name: 'incompatible schema: records of another kind and half a record',
    outOfReach: {},
    strike: async (world) => {
      const { meddler } = world;
      const before = poisonIn(world);
      let embedding: Stored | undefined;
      let agent: Stored | undefined;
      const none = (): readonly Stored[] => [];
      await meddler.again('embedding', (stored) => {
        embedding = stored.at(-1);
        return none();
      });
      await meddler.again('agent', (stored) => {
        agent = stored.at(-1);
        return none();
      });
      assert.ok(embedding && agent, 'nothing has been published yet');
      await meddler.poison('agent', agent.key.toString(), embedding.value);
      const half = agent.value.subarray(0, HEADER_BYTES + (agent.value.length - HEADER_BYTES) / 2);
      await meddler.poison('agent', agent.key.toString(), half);
      await meddler.poison('policy', agent.key.toString(), agent.value);
      return deadLettered(world, before);
    },
  },
  {
    name: 'oversized record: in the log and as a write',
    outOfReach: {},
    strike: async (world) => {
      const { meddler, network } = world;
      const before = poisonIn(world);
      await meddler.takeUpTo('agent', 2 * OVERSIZED_BYTES);
      await meddler.poison('agent', 'poison oversized', Buffer.alloc(OVERSIZED_BYTES, 'x'));
      const origin = await openOrigin(network.configFile, 'redis');
      try {
        const parameters = { oversized: 'x'.repeat(OVERSIZED_BYTES) };
        const about = {
          agentId: 'nobody',
          name: '',
          algorithm: 'q-learning',
          environment: null,
          revision: 1,
        };
        const entity = { ...about, parameters, actions: {} };
        const [result] = await origin.store.capture.write([
          { kind: 'policy', key: keyAt('policy', 0), entity },
        ]);
        assert.equal(result?.status, 'rejected', 'an oversized write was taken');
      } finally {
        await origin.close();
      }
      return deadLettered(world, before);
    },
  },
  {
    name: 'offsets set back to the beginning',
    outOfReach: {},
    strike: async (world) => {
      await rewind(world);
      for (const each of world.lives('run')) each.resume();
      await world.pause(500);
      const counted = await countedAtRest(world, () => rewindAlone(world));
      return () => counted;
    },
  },
];

/** Of every follower; nobody follows then. */
async function rewind({ meddler, followers, lives }: World): Promise<void> {
  await Promise.all(lives('run').map((each) => each.pause()));
  for (const [store, kinds] of followers) await meddler.rewind(store, kinds);
}

/** One follows alone, and the others when it has come to the end: whose partitions are taken away may get records twice. */
async function rewindAlone(world: World): Promise<Put> {
  await rewind(world);
  const records = new Map<string, { readonly all: number; readonly poison: number }>();
  for (const [store, places] of poisonIn(world)) {
    const all = await world.meddler.count(world.followers.get(store) ?? []);
    records.set(store, { all, poison: places.size });
  }
  const [first, ...others] = world.lives('run');
  first?.resume();
  await world.caughtUp();
  for (const each of others) each.resume();
  // Processes that were started since have counted from 0.
  return { since: [], records };
}
