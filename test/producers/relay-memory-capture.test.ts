import type { Store } from '../../connectors/connector.ts';
import { KINDS } from '../../schemas/kinds.ts';
import { CAPTURE_TEST_SETTINGS, captureContract } from '../contract/capture.ts';
import { MemoryCapture } from '../support/memory-capture.ts';
import { MemoryOutbox } from '../support/memory-outbox.ts';

/** The capture that the relay's tests use keeps the promises that the relay relies on. */
captureContract('a capture in memory', {
  kinds: KINDS,
  concurrentClients: true,
  claimExpires: true,
  place: async (options = {}) => {
    const outbox = new MemoryOutbox(options);
    return {
      open: async () => {
        const capture = new MemoryCapture(outbox, CAPTURE_TEST_SETTINGS);
        const { store } = outbox;
        return {
          name: store.name,
          prepare: () => store.prepare(),
          close: async () => {
            capture.close();
            await store.close();
          },
          source: store.source,
          sink: store.sink,
          probe: store.probe,
          capture,
        } satisfies Store;
      },
      setClockBack: async () => {
        outbox.behindUs = 3_600_000_000;
      },
      rollBack: async () => {},
      remove: async () => {},
    };
  },
});
