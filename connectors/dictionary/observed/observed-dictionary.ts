import type { z } from 'zod';
import { type Clock, systemClock } from '../../../core/clock.ts';
import { type Logger, silentLogger } from '../../../core/logger.ts';
import type { Closable } from '../../../core/service.ts';
import type { Kind } from '../../../schemas/kinds.ts';
import type { Capture, CaptureSettings } from '../../capture.ts';
import type { DictionaryCapture } from '../capture/capture.ts';
import { DictionaryClient } from '../client.ts';
import { DICTIONARY_KINDS } from '../dictionary-kinds.ts';
import { dictionaryOptions } from '../options.ts';
import type { RawAgent } from '../rows.ts';
import type { LegacyAgent } from './legacy-agent.ts';
import { ObservedMap } from './observed-map.ts';
import { planRemoval, planSet } from './plan-legacy.ts';

export type { LegacyAgent, LegacyMemory } from './legacy-agent.ts';

/** What becomes of one id: the agent as it is from now on, or null where there is none any more. */
export type AgentWrite = readonly [id: string, agent: LegacyAgent | null];

/**
 * The dictionary of an agent society, observed. Reads as a `Map` does, from memory and at once. Writes answer a promise
 * that resolves when the write is durable, and only then is it seen: by reads, and in the outbox. Each is atomic: with
 * what it does to relationships it is there or not at all.
 *
 * Writes throw `change-rejected` for what is no agent (the reason names the place), before anything is written;
 * `outbox-full` where the log has not taken what was captured for too long; `no-space`, `unreachable` for the disk.
 */
export interface ObservedDictionary extends ReadonlyMap<string, LegacyAgent>, Closable {
  /** Captures the agent, also where nothing of it differs, and each relationship that was added, changed or removed. */
  set(id: string, agent: LegacyAgent): Promise<LegacyAgent>;
  /** Captures the ends of its relationships, those that other agents have to it too, and its own. False where there is none. */
  delete(id: string): Promise<boolean>;
  /** Deletes every agent that is there when it is asked for; each deletion is atomic, all of them are not. */
  clear(): Promise<void>;
  /**
   * Sets what `change` makes of the present agent. Nothing else is written between what it is given and what it answers;
   * it must not wait, and what it throws is thrown here, with nothing written. It is called at most once.
   */
  update(id: string, change: (present: LegacyAgent | undefined) => LegacyAgent): Promise<LegacyAgent>;
  /** Many at once, as one: all of them are written or none. */
  write(writes: Iterable<AgentWrite>): Promise<void>;
  /** As the configuration of the relay names the store. */
  readonly name: string;
  /** The same dictionary for the relay and the domain API; their writes and these see each other at once. */
  readonly capture: Capture;
  /** Bytes of an unfinished write, of which nobody was told, that were cut from the journal when it was opened. */
  readonly cutBytes: number;
}

export interface ObservedDictionarySettings {
  readonly capture: CaptureSettings;
  /** As the configuration of the relay names the store: the `origin.store` of the changes. */
  readonly name?: string;
  /** Those whose writes are captured: the ones of which this dictionary is the origin. Both by default. */
  readonly kinds?: readonly Kind[];
  /** Whether capture is installed where it is not (the default); else that is `mismatch`. */
  readonly install?: boolean;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/**
 * Opens a dictionary to be lived in: all of it is in memory, and this process is the one that writes it until `close`.
 * Throws `conflict` while another process is.
 *
 * Who opens one by itself wants its writes captured, so that is installed with it. Where operators decide that
 * (`changeover capture install` and `uninstall`) a start of the application must not undo what they said: `install: false`.
 */
export async function openObservedDictionary(
  options: z.input<typeof dictionaryOptions>,
  {
    capture,
    name = 'legacy.dictionary',
    kinds = DICTIONARY_KINDS,
    install = true,
    logger = silentLogger,
    clock = systemClock,
  }: ObservedDictionarySettings,
): Promise<ObservedDictionary> {
  const settings = dictionaryOptions.parse(options);
  const captured = DICTIONARY_KINDS.filter((kind) => kinds.includes(kind));
  const context = { name, role: 'legacy', kinds: captured, logger, clock, capture } as const;
  const client = new DictionaryClient(settings, context);
  try {
    if (client.capture === undefined)
      throw new Error('A legacy dictionary with settings for it is captured.');
    if (install) await client.capture.install();
    else await client.capture.assertInstalled();
    const owner = await client.own();
    await owner.exclusively(async () => {});
    return new Observed(name, client, client.capture, settings.maxAgentBytes);
  } catch (error) {
    await client.close();
    throw error;
  }
}

class Observed extends ObservedMap implements ObservedDictionary {
  readonly name: string;
  readonly capture: DictionaryCapture;
  readonly #client: DictionaryClient;
  readonly #maxAgentBytes: number;

  constructor(name: string, client: DictionaryClient, capture: DictionaryCapture, maxAgentBytes: number) {
    super(() => client.owned?.places);
    this.name = name;
    this.#client = client;
    this.capture = capture;
    this.#maxAgentBytes = maxAgentBytes;
  }

  get cutBytes(): number {
    return this.#client.cutBytes;
  }

  async set(id: string, agent: LegacyAgent): Promise<LegacyAgent> {
    return this.capture.writer.write((plan) => planSet(plan, id, agent, this.#maxAgentBytes) as LegacyAgent);
  }

  async update(id: string, change: (present: LegacyAgent | undefined) => LegacyAgent): Promise<LegacyAgent> {
    return this.capture.writer.write((plan) => {
      // Here already, so that `change` is not asked for nothing, and not asked twice.
      plan.begin();
      const present: RawAgent | undefined = plan.draft.place(id)?.raw;
      return planSet(
        plan,
        id,
        change(present as LegacyAgent | undefined),
        this.#maxAgentBytes,
      ) as LegacyAgent;
    });
  }

  delete(id: string): Promise<boolean> {
    return this.capture.writer.write((plan) => planRemoval(plan, id));
  }

  async clear(): Promise<void> {
    await Promise.all(Array.from(this.keys(), (id) => this.delete(id)));
  }

  async write(writes: Iterable<AgentWrite>): Promise<void> {
    const all = [...writes];
    await this.capture.writer.write((plan) => {
      for (const [id, agent] of all) {
        if (agent === null) planRemoval(plan, id);
        else planSet(plan, id, agent, this.#maxAgentBytes);
      }
    });
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
