import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ScanChunk } from '../../connectors/connector.ts';
import { systemClock } from '../../core/clock.ts';
import { readAhead } from '../../producers/backfill/read-ahead.ts';

function unreadable(): AsyncIterable<ScanChunk<'agent'>> {
  const next = async (): Promise<never> => {
    await new Promise(setImmediate);
    throw new Error('the store has gone');
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

describe('a range that is read ahead', () => {
  it('leaves no failure unhandled when it is stopped before its first chunk has come', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      const chunks = readAhead<'agent'>({
        open: unreadable,
        after: null,
        policy: {},
        clock: systemClock,
        signal: AbortSignal.abort(new Error('stopped')),
      });
      await assert.rejects(chunks.next(), /stopped/);
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      assert.deepEqual(unhandled, []);
    } finally {
      process.off('unhandledRejection', note);
    }
  });
});
