import { randomUUID } from 'node:crypto';
import type { Kind } from '../../schemas/kinds.ts';
import type { Capture, CaptureSettings, CaptureStatus } from '../capture.ts';
import type { StoreContext } from '../connector.ts';
import { assertDrained } from '../outbox-errors.ts';
import { GraphWriter } from './capture-writer.ts';
import { OutboxDrain } from './drain.ts';
import { Lease } from './lease.ts';
import { acceptLoss, outboxState } from './outbox.ts';
import { outboxNamesOf } from './outbox-names.ts';
import { hasOutbox, makeOutbox, removeOutbox } from './outbox-schema.ts';
import { prepareSchema } from './schema.ts';
import type { StoreScope } from './scope.ts';
import { clearSetAside, setAsideEntries } from './set-aside.ts';

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
  /** Whether one of this name runs, of whatever settings. Not where the server knows no triggers. */
  isRunning(): Promise<boolean>;
}

export function openCapture(scope: CaptureScope, settings: CaptureSettings, trigger: Trigger): Capture {
  const { client, options, context } = scope;
  const byTrigger = options.capture === 'trigger';
  const outbox = outboxNamesOf(options.labels);
  const writer = new GraphWriter({ ...scope, outbox, writer: settings.writer }, settings);

  return {
    kinds: KINDS.filter((kind) => context.kinds.includes(kind)),
    async install() {
      await prepareSchema(scope);
      await makeOutbox(client, outbox);
      if (byTrigger) await trigger.install();
      else await endTrigger();
      writer.forget();
    },
    async uninstall() {
      const { entries } = await outboxState(client, outbox);
      assertDrained(client.where, entries);
      if (byTrigger) await trigger.uninstall();
      else await endTrigger();
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
    setAsideEntries: () => setAsideEntries(client, outbox),
    clearSetAside: (ids) => clearSetAside(client, outbox, ids),
    acceptLoss: (untilUs) => acceptLoss(client, outbox, untilUs),
  };

  async function lookAt(): Promise<Pick<CaptureStatus, 'active' | 'detail'>> {
    if (!(await hasOutbox(client, outbox))) return { active: false, detail: 'capture is not installed' };
    if (byTrigger) return await trigger.look();
    const rest = (await trigger.isRunning())
      ? 'a trigger from before captures the others still, until capture is installed again'
      : 'other writes are not';
    return { active: true, detail: `what is written through Changeover is captured; ${rest}` };
  }

  /** One that was installed when the configuration said so would go on for ever. */
  async function endTrigger(): Promise<void> {
    if (await trigger.isRunning()) await trigger.uninstall();
  }
}
