import { createHash, randomUUID } from 'node:crypto';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { CaptureSettings, CaptureStatus } from '../capture.ts';
import type { CaptureScope, Trigger } from './capture.ts';
import type { Row } from './client.ts';
import { quoted } from './names.ts';
import { outboxNamesOf } from './outbox-names.ts';
import { writesSettled } from './trigger-settled.ts';
import { triggerParts, triggerStatement } from './trigger-statement.ts';
import { storedNumber, VERSION } from './values.ts';

/** How often to look whether the server has taken a trigger up, or has let go of it, and for how long. */
const LOOK_EVERY_MS = 100;
const TAKEN_UP_WITHIN_MS = 120_000;

const SETTINGS_HINT =
  'Install APOC, set apoc.trigger.enabled=true and apoc.trigger.refresh=1000 in apoc.conf and ' +
  'dbms.security.procedures.unrestricted=apoc.* in neo4j.conf, then restart the server; or set capture: writer.';

/** Capture by an APOC trigger: whatever is written to the database, by whom and how ever. */
export function openTrigger(scope: CaptureScope, settings: CaptureSettings): Trigger {
  const { client, context, names, options } = scope;
  const outbox = outboxNamesOf(options.labels);
  const name = `changeover_${options.labels.agent}`;
  const { kinds } = context;
  const [statement, parts] = [triggerStatement(names, outbox, kinds), triggerParts(names, outbox, kinds)];
  const parameters = parametersOf(scope, settings);
  // Tells whether the trigger that the server runs is this one.
  const installation = createHash('sha256')
    .update(
      JSON.stringify([statement, parts, parameters], (_, value) =>
        typeof value === 'bigint' ? `${value}` : value,
      ),
    )
    .digest('hex')
    .slice(0, 16);

  /** As the system database has it, or as the database runs it. */
  async function installed(): Promise<TriggerRow | undefined> {
    const rows = await orExplain(() =>
      client.runOnSystem('CALL apoc.trigger.show($database)', { database: client.database }),
    );
    return find(rows);
  }

  async function running(): Promise<TriggerRow | undefined> {
    return find(await orExplain(() => client.runAlone('CALL apoc.trigger.list()')));
  }

  function find(rows: readonly Row[]): TriggerRow | undefined {
    const row = rows.find((each) => each.get('name') === name);
    return row && { installation: row.get('params')?.set?.installation, paused: row.get('paused') === true };
  }

  async function orExplain<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!/apoc|trigger/i.test(messageOf(error))) throw error;
      const message = `${client.where}: its triggers cannot be used (${messageOf(error)})`;
      throw new ChangeoverError('unsupported', message, { hint: SETTINGS_HINT, cause: error });
    }
  }

  async function until(reached: () => Promise<boolean>, complaint: string): Promise<void> {
    const end = context.clock.elapsedMs() + TAKEN_UP_WITHIN_MS;
    while (!(await reached())) {
      if (context.clock.elapsedMs() > end) {
        throw new ChangeoverError('timeout', `${client.where}: ${complaint} after ${TAKEN_UP_WITHIN_MS} ms`, {
          hint: SETTINGS_HINT,
        });
      }
      await context.clock.sleep(LOOK_EVERY_MS);
    }
  }

  /** Whether a committed write is answered by this very trigger: nothing else proves it. */
  async function answers(): Promise<boolean> {
    const id = randomUUID();
    const node = `(n:${quoted(outbox.canary)} {id: $id})`;
    // The server plans all parts of the trigger in it, which takes half a minute where it is cold and busy.
    await client.transact((transaction) => transaction.run(`CREATE ${node}`, { id }), {
      speaker: 'application',
      timeoutMs: TAKEN_UP_WITHIN_MS,
    });
    const [row] = await client.query(`MATCH ${node} WITH n, n.answer AS answer DELETE n RETURN answer`, {
      id,
    });
    return row?.get('answer') === installation;
  }

  return {
    async install() {
      await orExplain(() =>
        client.runOnSystem(
          `CALL apoc.trigger.install($database, $name, $statement, {phase: 'before'}, $config)`,
          {
            database: client.database,
            name,
            statement,
            config: { params: { parts, set: { ...parameters, installation } } },
          },
        ),
      );
      await until(async () => (await running())?.installation === installation, 'the trigger is not running');
      await until(answers, 'the trigger does not answer a write');
      await writesSettled(client, context.clock);
    },
    async uninstall() {
      if ((await installed()) !== undefined) {
        await client.runOnSystem('CALL apoc.trigger.drop($database, $name)', {
          database: client.database,
          name,
        });
      }
      await until(async () => (await running()) === undefined, 'the trigger is still running');
    },
    async isRunning() {
      try {
        return (await running()) !== undefined;
      } catch (error) {
        if (error instanceof ChangeoverError && error.code === 'unsupported') return false;
        throw error;
      }
    },
    async look() {
      try {
        const is = await running();
        // Who may not look into the system database is content with what runs.
        return described(await installed().catch(() => is), is);
      } catch (error) {
        return { active: false, detail: messageOf(error) };
      }
    },
  };

  function described(
    wanted: TriggerRow | undefined,
    is: TriggerRow | undefined,
  ): Pick<CaptureStatus, 'active' | 'detail'> {
    if (wanted === undefined && is === undefined)
      return { active: false, detail: `no trigger ${name} is installed` };
    if (wanted === undefined) return { active: true, detail: `trigger ${name} was dropped, and runs still` };
    if (is === undefined) {
      return {
        active: false,
        detail: `trigger ${name} is installed, but the server has not taken it up yet`,
      };
    }
    if (is.paused) return { active: false, detail: `trigger ${name} is paused` };
    if (wanted.paused) return { active: true, detail: `trigger ${name} was stopped, and runs still` };
    if (is.installation !== installation) {
      // Which kinds, bounds and refusals those are is not known; what is expected of it may not be done.
      return {
        active: false,
        detail: `trigger ${name} captures by other settings than these: install it again`,
      };
    }
    return { active: true, detail: `trigger ${name} captures every write to ${kinds.join(', ')}` };
  }
}

interface TriggerRow {
  readonly installation: unknown;
  readonly paused: boolean;
}

function parametersOf(
  { options }: CaptureScope,
  settings: CaptureSettings,
): Readonly<Record<string, unknown>> {
  const { model = null, revision, metric, normalised } = options.space;
  const unsaid = { model, revision, metric, normalised };
  const { dimension, ...space } = settings.space ?? { ...unsaid, dimension: undefined };
  return {
    id: 'id',
    version: VERSION,
    plainVersion: 'version',
    maxBytes: storedNumber(settings.maxChangeBytes),
    maxEntries: storedNumber(options.outbox.maxEntries),
    refuse: options.outbox.whenFull === 'refuse',
    unsaid,
    space: { ...space, dimension: dimension === undefined ? null : storedNumber(dimension) },
  };
}
