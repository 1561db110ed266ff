import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { prepareClients } from '../../log/kafka/client.ts';
import { kafkaOptions } from '../../log/kafka/options.ts';
import { testStack } from '../support/stack.ts';

const LOOKED_AT_MS = 300;

describe('a connection to Kafka that nothing waits for', () => {
  it('costs no timer but the one that watches over time-outs', async () => {
    const options = kafkaOptions.parse({ brokers: testStack().kafka.brokers });
    const clients = await prepareClients(options, silentLogger, systemClock);
    const { connected, close } = await clients.connect('test', (kafka) => kafka.admin());
    try {
      await connected.listTopics();
      const { setTimeout: original } = globalThis;
      let timers = 0;
      globalThis.setTimeout = Object.assign(
        (...args: Parameters<typeof original>) => {
          timers++;
          return original(...args);
        },
        { __promisify__: original.__promisify__ },
      );
      try {
        await sleep(LOOKED_AT_MS);
      } finally {
        globalThis.setTimeout = original;
      }
      assert.ok(timers < 5, `${timers} timers were set in ${LOOKED_AT_MS} ms`);
    } finally {
      await close();
    }
  });
});
