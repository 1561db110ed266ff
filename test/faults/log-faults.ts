import assert from 'node:assert/strict';
import { createCodec } from '../../schemas/codec.ts';
import { keyAt } from '../live/key-space.ts';
import { openOrigin } from '../live/open-origin.ts';
import type { Fault } from './fault.ts';
import { ALL_KINDS, shuffledSome } from './log-meddler.ts';
import type { Stored } from './read-topic.ts';

const SOME = 200;
/** More than any record of ours has, and more than the brokers take before they are told to. */
const OVERSIZED_BYTES = 3_000_000;
/** Avro's single-object encoding: two bytes, then eight that name the schema. */
const HEADER_BYTES = 10;

export const LOG_FAULTS: readonly Fault[] = [
  {
    name: 'duplicates: records three times',
    strike: async ({ meddler }) => {
      for (const kind of ALL_KINDS) {
        await meddler.again(kind, (stored, random) => {
          const some = shuffledSome(stored, SOME, random);
          return some.flatMap((each) => [each, each, each]);
        });
      }
    },
  },
  {
    name: 'reordering within a key: old records after new ones',
    strike: async ({ meddler }) => {
      for (const kind of ALL_KINDS)
        await meddler.again(kind, (stored, random) => shuffledSome(stored, SOME, random));
    },
  },
  {
    name: 'late updates after deletes',
    strike: async ({ meddler }) => {
      const codec = createCodec();
      for (const kind of ALL_KINDS) {
        await meddler.again(kind, (stored) => {
          const decoded = stored.map((each) => ({
            each,
            change: codec.decode(kind, each.key.toString(), each.value),
          }));
          const dead = new Set(
            decoded.filter(({ change }) => change.after === null).map(({ change }) => change.key),
          );
          return decoded
            .filter(({ change }) => change.after !== null && dead.has(change.key))
            .map(({ each }) => each);
        });
      }
    },
  },
  {
    name: 'poison: bytes that are no change / an unknown fingerprint / no value',
    strike: async ({ meddler }) => {
      await meddler.poison('agent', 'poison bytes', Buffer.from('not a change at all'));
      const unknown = Buffer.concat([Buffer.from([0xc3, 0x01]), Buffer.alloc(8, 7), Buffer.from('x')]);
      await meddler.poison('agent', 'poison schema', unknown);
      await meddler.poison('agent', 'poison nothing', null);
    },
  },
  {
    name: 'incompatible schema: records of another kind and half a record',
    strike: async ({ meddler }) => {
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
    },
  },
  {
    name: 'oversized record: in the log and as a write',
    strike: async ({ meddler, network }) => {
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
    },
  },
  {
    name: 'offsets set back to the beginning',
    strike: async ({ meddler, followers, lives, pause }) => {
      const runs = lives('run');
      await Promise.all(runs.map((each) => each.pause()));
      for (const [store, kinds] of followers) await meddler.rewind(store, kinds);
      for (const each of runs) each.resume();
      await pause(500);
    },
  },
];
