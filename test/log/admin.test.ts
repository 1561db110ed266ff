import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Admin } from 'kafkajs';
import { systemClock } from '../../core/clock.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { openAdmin } from '../../log/kafka/admin.ts';
import type { Client, Clients } from '../../log/kafka/client.ts';

/** Clients that count how many of them are open; each connection waits for `let in`. */
function fakeClients() {
  const open = new Set<object>();
  const waiting: (() => void)[] = [];
  const clients = {
    address: 'broker:1',
    clock: systemClock,
    requestTimeoutMs: 1_000,
    connect: async () => {
      if (open.size > 0) await new Promise<void>((resolve) => waiting.push(resolve));
      const connected = {} as Admin;
      open.add(connected);
      const close = async (): Promise<void> => {
        open.delete(connected);
      };
      return { connected, close } as unknown as Client<Admin>;
    },
  } as unknown as Clients;
  return { clients, waiting, stillOpen: () => open.size };
}

describe("the log's questions", () => {
  it('leave no connection behind that was being made while the log was closed', async () => {
    const { clients, waiting, stillOpen } = fakeClients();
    const admin = await openAdmin(clients, 1_000);
    const asking = admin.ask('ask', async () => {
      throw new ChangeoverError('timeout', 'no answer');
    });
    asking.catch(() => {});
    while (waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await admin.close();
    for (const letIn of waiting) letIn();
    await assert.rejects(asking);
    assert.equal(stillOpen(), 0);
  });
});
