import type { Admin } from 'kafkajs';
import { ChangeoverError, isRetryable } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { Closable } from '../../core/service.ts';
import type { Client, Clients } from './client.ts';
import { within } from './deadline.ts';
import { kafkaError } from './errors.ts';

/** The one client with which a log asks about topics, offsets and groups. */
export interface KafkaAdmin extends Closable {
  /** Runs a question, again where the failure may pass. `doing` completes "Cannot …". */
  ask<T>(doing: string, question: (admin: Admin) => Promise<T>): Promise<T>;
}

const RETRY = { attempts: 8, initialDelayMs: 100, maxDelayMs: 1_000 } as const;
/** What a client knows of partitions' leaders may be old, and only a new client asks again at once. */
const ATTEMPTS_PER_CLIENT = 3;

/** Throws `unreachable`, naming the address, when no broker answers within that time. */
export async function openAdmin(clients: Clients, openTimeoutMs: number): Promise<KafkaAdmin> {
  const { address, clock, requestTimeoutMs } = clients;
  const connect = (): Promise<Client<Admin>> =>
    clients.connect('reach Kafka', (kafka) => kafka.admin(), openTimeoutMs);
  let current = await connect();
  const closing = new AbortController();

  const replace = async (old: Client<Admin>): Promise<void> => {
    // Another question may have done so already, before or meanwhile.
    if (old !== current) return;
    const next = await connect();
    // Closed meanwhile: a connection that nobody closes would keep the process from ending.
    const superfluous = old !== current || closing.signal.aborted ? next : old;
    if (superfluous === old) current = next;
    superfluous.close().catch(() => {});
  };
  return {
    close: () => {
      closing.abort(new ChangeoverError('aborted', 'The log is closed.'));
      return current.close();
    },
    ask: (doing, question) =>
      retry(
        async (attempt) => {
          const asked = current;
          try {
            return await within({ clock, ms: requestTimeoutMs }, question(asked.connected), () => {
              throw new ChangeoverError(
                'timeout',
                `Cannot ${doing}: no answer from ${address} within ${requestTimeoutMs} ms.`,
              );
            });
          } catch (error) {
            const ours = kafkaError(error, doing, address);
            if (ours.code === 'timeout' || (isPassing(ours) && attempt % ATTEMPTS_PER_CLIENT === 0)) {
              await replace(asked);
            }
            throw ours;
          }
        },
        { policy: RETRY, clock, retryable: isPassing, signal: closing.signal },
      ),
  };
}

/** A missing topic is an answer: who asks decides how long to wait for it. */
function isPassing(error: unknown): boolean {
  return isRetryable(error) && !isMismatch(error);
}

export function isMismatch(error: unknown): boolean {
  return error instanceof ChangeoverError && error.code === 'mismatch';
}
