import type { Redis } from 'ioredis';
import type { Clock } from '../../../core/clock.ts';
import type { SingleClient } from '../client/client.ts';
import type { Layout } from '../layout.ts';

interface DoorbellContext {
  readonly client: SingleClient;
  readonly layout: Layout;
  readonly clock: Clock;
}

/** So long the server holds one question, and so long one that nobody waits for any more may outlive its asker. */
const BLOCK_MS = 1_000;
/** Between two looks where there is no connection to wait on. */
const LOOK_AGAIN_MS = 50;

/**
 * Waits until the outbox holds something new, on a connection of its own, because the question blocks it. It only rings:
 * what is there is read elsewhere, so a ring that comes late, early or for nothing does no harm.
 */
export class Doorbell {
  readonly #context: DoorbellContext;
  #redis: Redis | undefined;
  #closed = false;
  /** The question that the server holds. */
  #asked: Promise<unknown> | undefined;

  constructor(context: DoorbellContext) {
    this.#context = context;
  }

  /** `from` as in XRANGE. Ends without an error, whatever happens. */
  async wait(from: string, ms: number, signal: AbortSignal): Promise<void> {
    const tooLong = new AbortController();
    const stop = AbortSignal.any([signal, tooLong.signal]);
    const late = this.#context.clock.sleep(ms, stop).catch(() => undefined);
    try {
      await Promise.race([late, this.#ring(from, stop)]);
    } finally {
      tooLong.abort();
    }
  }

  close(): void {
    this.#closed = true;
    this.#hangUp();
  }

  #hangUp(): void {
    this.#redis?.disconnect();
    this.#redis = undefined;
  }

  async #ring(from: string, stop: AbortSignal): Promise<void> {
    // A question that is still held is answered within a second, and another would wait behind it.
    this.#asked ??= this.#ask(from).finally(() => {
      this.#asked = undefined;
    });
    try {
      await this.#asked;
    } catch {
      this.#hangUp();
      await this.#context.clock.sleep(LOOK_AGAIN_MS, stop).catch(() => undefined);
    }
  }

  async #ask(from: string): Promise<unknown> {
    const { client, layout } = this.#context;
    if (this.#closed) throw new Error('closed');
    if (this.#redis === undefined) {
      const redis = client.separate();
      this.#redis = redis;
      await redis.connect();
    }
    const after = from.startsWith('(') ? from.slice(1) : '0-0';
    return this.#redis.xread('COUNT', 1, 'BLOCK', BLOCK_MS, 'STREAMS', layout.outboxKey, after);
  }
}
