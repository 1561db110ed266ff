import type { Admin, Kafka } from 'kafkajs';
import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, isRetryable } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { Closable } from '../../core/service.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';

export interface AdminOptions {
  readonly address: string;
  readonly openTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly clock: Clock;
}

/** The one connection over which a log asks about topics, offsets and groups. */
export interface KafkaAdmin extends Closable {
  /** Runs a question, again where the failure may pass. `doing` completes "Cannot …". */
  ask<T>(doing: string, question: (admin: Admin) => Promise<T>): Promise<T>;
}

const RETRY = { attempts: 8, initialDelayMs: 100, maxDelayMs: 1_000 } as const;
/** What a client knows of partitions' leaders may be old, and only a new client asks again at once. */
const ATTEMPTS_PER_CLIENT = 3;

/** Throws `unreachable`, naming the address, when no broker answers within `openTimeoutMs`. */
export async function openAdmin(client: Kafka, options: AdminOptions): Promise<KafkaAdmin> {
  const { address, clock, closeTimeoutMs } = options;
  const disconnect = (admin: Admin): Promise<void> =>
    within({ clock, ms: closeTimeoutMs }, admin.disconnect(), () => {});
  let admin = await connect(client, options, disconnect);

  const replace = async (old: Admin): Promise<void> => {
    // Another question may have done so already.
    if (old !== admin) return;
    const next = await connect(client, options, disconnect);
    const superfluous = old === admin ? old : next;
    if (old === admin) admin = next;
    disconnect(superfluous).catch(() => {});
  };
  return {
    close: () => disconnect(admin),
    ask: (doing, question) =>
      retry(
        async (attempt) => {
          const asked = admin;
          try {
            return await question(asked);
          } catch (error) {
            const ours = kafkaError(asPassing(error), doing, address);
            if (isPassing(ours) && attempt % ATTEMPTS_PER_CLIENT === 0) await replace(asked);
            throw ours;
          }
        },
        { policy: RETRY, clock, retryable: isPassing },
      ),
  };
}

async function connect(
  client: Kafka,
  { address, clock, openTimeoutMs }: AdminOptions,
  disconnect: (admin: Admin) => Promise<void>,
): Promise<Admin> {
  const admin = client.admin();
  try {
    await within({ clock, ms: openTimeoutMs }, admin.connect(), () => {
      throw new ChangeoverError(
        'unreachable',
        `No answer from Kafka at ${address} within ${openTimeoutMs} ms.`,
        { hint: 'Check that this is the address of a Kafka broker, and whether it expects TLS (kafka.ssl).' },
      );
    });
    return admin;
  } catch (error) {
    disconnect(admin).catch(() => {});
    throw kafkaError(error, 'reach Kafka', address);
  }
}

/** A missing topic is an answer: who asks decides how long to wait for it. */
function isPassing(error: unknown): boolean {
  return isRetryable(error) && !isMismatch(error);
}

export function isMismatch(error: unknown): boolean {
  return error instanceof ChangeoverError && error.code === 'mismatch';
}

/**
 * When a connection breaks under a question, kafkajs swallows that error and stumbles over the answer that is not
 * there (cluster/brokerPool `withBroker`).
 */
function asPassing(error: unknown): unknown {
  if (!(error instanceof TypeError)) return error;
  return new ChangeoverError('unreachable', 'The connection to Kafka broke.', { cause: error });
}
