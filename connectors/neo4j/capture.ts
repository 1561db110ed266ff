import { randomUUID } from 'node:crypto';
import { ChangeoverError } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Capture, CaptureSettings, CaptureStatus } from '../capture.ts';
import type { StoreContext } from '../connector.ts';
import { GraphWriter } from './capture-writer.ts';
import { OutboxDrain } from './drain.ts';
import { Lease } from './lease.ts';
import { acceptLoss, outboxState } from './outbox.ts';
import { outboxNamesOf } from './outbox-names.ts';
import { hasOutbox, makeOutbox, removeOutbox } from './outbox-schema.ts';
import { prepareSchema } from './schema.ts';
import type { StoreScope } from './scope.ts';

const KINDS: readonly Kind[] = ['agent', 'relationship', 'embedding'];

export interface CaptureScope extends StoreScope {
  readonly context: StoreContext;
}

/** What makes and ends the capture of what is not written through us. */
export interface Trigger {
  install(): Promise<void>;
  uninstall(): Promise<void>;
  /** Whether it captures now, in words too. */
  look(): Promise<Pick<CaptureStatus, 'active' | 'detail'>>;
}

export function openCapture(
  scope: CaptureScope,
  settings: CaptureSettings,
  trigger: Trigger | undefined,
): Capture {
  const { client, options, context } = scope;
  const outbox = outboxNamesOf(options.labels);
  const writer = new GraphWriter({ ...scope, outbox, writer: settings.writer }, settings);

  return {
    kinds: KINDS.filter((kind) => context.kinds.includes(kind)),
    async install() {
      await prepareSchema(scope);
      await makeOutbox(client, outbox);
      await trigger?.install();
      writer.forget();
    },
    async uninstall() {
      const { entries } = await outboxState(client, outbox);
      if (entries > 0) {
        throw new ChangeoverError(
          'conflict',
          `${client.where}: ${entries} captured writes wait for the log`,
          {
            hint: 'Let the relay drain the outbox first, then uninstall.',
          },
        );
      }
      await trigger?.uninstall();
      await removeOutbox(client, outbox);
      writer.forget();
    },
    async status() {
      const [state, look] = await Promise.all([outboxState(client, outbox), lookAt()]);
      return { ...look, ...state, maxEntries: options.outbox.maxEntries };
    },
    write: (writes, path = 'shim') => writer.write(writes, path),
    async claim() {
      const lease = new Lease(client, outbox.relay, randomUUID());
      if (!(await lease.take())) return undefined;
      const { clock, name: store } = context;
      return new OutboxDrain({
        client,
        outbox,
        clock,
        lease,
        options,
        store,
        maxChangeBytes: settings.maxChangeBytes,
      });
    },
    acceptLoss: (untilUs) => acceptLoss(client, outbox, untilUs),
  };

  async function lookAt(): Promise<Pick<CaptureStatus, 'active' | 'detail'>> {
    if (!(await hasOutbox(client, outbox))) return { active: false, detail: 'capture is not installed' };
    if (trigger !== undefined) return await trigger.look();
    return { active: true, detail: 'what is written through Changeover is captured; other writes are not' };
  }
}
