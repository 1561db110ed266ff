import { randomUUID } from 'node:crypto';
import type {
  Capture,
  CaptureSettings,
  CaptureStatus,
  Drain,
  EntityWrite,
  SetAsideEntry,
  UnreadableEntry,
  WriteResult,
} from '../../connectors/capture.ts';
import { assertDrained } from '../../connectors/outbox-errors.ts';
import { changeOf, writeFault } from '../../connectors/write-fault.ts';
import { ChangeoverError } from '../../core/errors.ts';
import type { Change } from '../../schemas/change.ts';
import { KINDS, type Kind } from '../../schemas/kinds.ts';
import { nextVersion } from '../../schemas/version.ts';
import { type Item, idOf, type MemoryOutbox } from './memory-outbox.ts';
/** One process' view of a memory outbox: the seam as connectors/capture.ts promises it. */
export class MemoryCapture implements Capture {
  readonly kinds = KINDS;
  readonly outbox: MemoryOutbox;
  readonly #settings: CaptureSettings;
  #closed = false;

  constructor(outbox: MemoryOutbox, settings: Partial<CaptureSettings> = {}) {
    this.outbox = outbox;
    this.#settings = { maxChangeBytes: 1_000_000, writer: 'test', ...settings };
  }

  async install(): Promise<void> {
    this.outbox.active = true;
  }

  async uninstall(): Promise<void> {
    const { length } = this.outbox.items;
    assertDrained('memory', length);
    this.outbox.active = false;
  }

  async status(): Promise<CaptureStatus> {
    await this.outbox.before('status', []);
    const { items, options, setAside, lostSinceUs, active } = this.outbox;
    const [oldest] = items.flatMap((item) => ('entry' in item ? [item.entry.change.capturedAt] : []));
    return {
      active,
      detail: active ? 'in memory' : 'not installed',
      entries: items.length,
      oldestUs: oldest ?? null,
      maxEntries: options.maxEntries,
      setAside: setAside.length,
      lostSinceUs,
    };
  }

  close(): void {
    this.#closed = true;
  }

  async write(writes: readonly EntityWrite[]): Promise<readonly WriteResult[]> {
    if (this.#closed) throw new ChangeoverError('aborted', 'The store in memory was closed.');
    const results: WriteResult[] = [];
    for (const write of writes) results.push(await this.#write(write));
    return results;
  }

  async claim(): Promise<Drain | undefined> {
    await this.outbox.before('claim', []);
    const token = this.outbox.claim();
    return token === undefined ? undefined : new MemoryDrain(this.outbox, token);
  }

  async *setAsideEntries(): AsyncGenerator<SetAsideEntry> {
    for (const { item, reason } of [...this.outbox.setAside]) {
      const change = 'entry' in item ? item.entry.change : undefined;
      const { kind = '', key = '', capturedAt = null } = change ?? {};
      yield { id: idOf(item), kind, key, reason, capturedUs: capturedAt };
    }
  }

  async clearSetAside(ids: readonly string[]): Promise<number> {
    const before = this.outbox.setAside.length;
    const left = this.outbox.setAside.filter(({ item }) => !ids.includes(idOf(item)));
    this.outbox.setAside.splice(0, before, ...left);
    return before - left.length;
  }

  async acceptLoss(untilUs: number): Promise<void> {
    if (this.outbox.lostUntilUs <= untilUs) this.outbox.lostSinceUs = null;
  }

  async #write(write: EntityWrite): Promise<WriteResult> {
    const { outbox } = this;
    const { clock, maxEntries, name, whenFull } = outbox.options;
    const fault = writeFault(write, this.#settings, { path: 'shim', store: name });
    if (fault !== undefined) return { status: 'rejected', reason: fault };
    const before = write.eventId === undefined ? undefined : outbox.events.get(write.eventId);
    if (before !== undefined) return { status: 'repeated', version: before };
    const full = outbox.items.length >= maxEntries;
    if (full && whenFull === 'refuse') throw new ChangeoverError('outbox-full', 'The outbox is full.');
    const [held] = await outbox.store.source.get(write.kind, [write.key]);
    if (write.kind === 'agent' && write.entity === null) await this.#deleteTies(write.key);
    const version = nextVersion(held?.version, clock.nowUs() - outbox.behindUs);
    const change = changeOf(write, {
      version,
      before: (held?.entity ?? null) as Change['before'],
      created: (held?.entity ?? null) === null,
      origin: { path: 'shim', store: name, writer: this.#settings.writer },
      eventId: write.eventId ?? randomUUID(),
      capturedAt: clock.nowUs(),
    });
    await outbox.store.sink.apply([change]);
    if (write.eventId !== undefined) outbox.events.set(write.eventId, version);
    if (!full) outbox.append(change);
    else {
      outbox.lostUntilUs = clock.nowUs();
      outbox.lostSinceUs ??= outbox.lostUntilUs;
    }
    return { status: 'written', version };
  }

  async #deleteTies(agentId: string): Promise<void> {
    const everything = { after: null, until: null };
    for await (const { rows } of this.outbox.store.source.scan('relationship', everything, {
      limit: 1_000,
    })) {
      for (const { key, entity } of rows) {
        if (entity.source !== agentId && entity.target !== agentId) continue;
        await this.#write({ kind: 'relationship', key, entity: null });
      }
    }
  }
}

class MemoryDrain implements Drain {
  readonly renewWithinMs: number;
  readonly #outbox: MemoryOutbox;
  readonly #token: string;
  #after = 0;

  constructor(outbox: MemoryOutbox, token: string) {
    this.#outbox = outbox;
    this.#token = token;
    this.renewWithinMs = outbox.options.renewWithinMs;
  }

  async renew(): Promise<boolean> {
    await this.#outbox.before('renew', []);
    return this.#outbox.renew(this.#token);
  }

  async next({ limit, waitMs, signal }: { limit: number; waitMs: number; signal: AbortSignal }) {
    await this.#outbox.before('next', []);
    const { clock } = this.#outbox.options;
    const untilMs = clock.elapsedMs() + waitMs;
    const taken = (): readonly Item[] =>
      this.#outbox.items.filter(({ seq }) => seq > this.#after).slice(0, limit);
    let items = signal.aborted ? [] : taken();
    while (items.length === 0 && !signal.aborted && clock.elapsedMs() < untilMs) {
      const over = new AbortController();
      const wait = clock.sleep(untilMs - clock.elapsedMs(), AbortSignal.any([signal, over.signal]));
      await Promise.race([this.#outbox.watchers.changed(), wait.catch(() => {})]);
      over.abort();
      items = signal.aborted ? [] : taken();
    }
    this.#after = items.at(-1)?.seq ?? this.#after;
    return {
      entries: items.flatMap((item) => ('entry' in item ? [item.entry] : [])),
      unreadable: items.flatMap((item) => ('unreadable' in item ? [item.unreadable] : [])),
    };
  }

  restart(): void {
    this.#after = 0;
  }

  async discard(ids: readonly string[]): Promise<void> {
    await this.#outbox.before('discard', ids);
    this.#requireClaim();
    this.#outbox.remove(ids);
    this.#outbox.discarded.push(...ids);
  }

  async setAside({ id, reason }: Pick<UnreadableEntry, 'id' | 'reason'>): Promise<void> {
    await this.#outbox.before('setAside', [id]);
    this.#requireClaim();
    for (const item of this.#outbox.remove([id])) this.#outbox.setAside.push({ item, reason });
  }

  async close(): Promise<void> {
    this.#outbox.release(this.#token);
  }

  #requireClaim(): void {
    if (!this.#outbox.holds(this.#token)) throw new ChangeoverError('conflict', 'The claim has been lost.');
  }
}

/** A write of an agent, to fill an outbox with. */
export function agentWrite(key: string, variant: number): EntityWrite {
  const entity = { id: key, type: 'citizen', active: true, attributes: { variant } };
  return { kind: 'agent' as Kind & 'agent', key, entity };
}
