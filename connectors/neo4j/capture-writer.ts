import { byHalves } from '../../core/by-halves.ts';
import { ChangeoverError, isRejection, messageOf } from '../../core/errors.ts';
import type { CapturePath, CaptureSettings, EntityWrite, WriteResult } from '../capture.ts';
import { changeOf, foreignKindFault, writeFault } from '../write-fault.ts';
import type { Transaction } from './client.ts';
import { hasRoom, noteLoss } from './outbox.ts';
import { hasOutbox } from './outbox-schema.ts';
import { requirePrepared } from './schema.ts';
import { forgetEvents, rememberEvents, seenEvents } from './seen-events.ts';
import { vectorPlace } from './vector-place.ts';
import { captureWrites } from './write-outbox.ts';
import { makeWrites, type WriterScope } from './write-round.ts';
import { type Asked, roundsOf } from './write-rounds.ts';

/** About every so many events those that are old enough are forgotten. */
const FORGET_EVERY = 5_000;

const UNBOUNDED = { maxEntries: Number.POSITIVE_INFINITY, whenFull: 'refuse' } as const;

/** Writes to the graph, captured, for an application that writes through us: no trigger is needed. */
export class GraphWriter {
  readonly #scope: WriterScope;
  readonly #settings: CaptureSettings;
  readonly #vectors: ReturnType<typeof vectorPlace>;
  #ready: Promise<void> | undefined;
  #events = 0;

  constructor(scope: WriterScope, settings: CaptureSettings) {
    this.#scope = scope;
    this.#settings = settings;
    this.#vectors = vectorPlace(scope);
  }

  /** What was known of the place may have changed. */
  forget(): void {
    this.#ready = undefined;
  }

  async write(writes: readonly EntityWrite[], path: CapturePath): Promise<readonly WriteResult[]> {
    await this.#isReady();
    const results = new Map<number, WriteResult>();
    const asked: Asked[] = [];
    await this.#learn(writes, path);
    for (const [index, write] of writes.entries()) {
      const reason = this.#faultOf(write, path);
      if (reason === undefined) asked.push({ write, index });
      else results.set(index, { status: 'rejected', reason });
    }
    let isFirst = true;
    for (const round of roundsOf(asked, this.#scope.options.batchSize)) {
      // Whoever is refused in mid-batch could not say what was written: so the first round asks for all.
      const mayRefuse = isFirst;
      const attempt = async (some: readonly Asked[]): Promise<void> => {
        for (const [index, result] of await this.#transact(some, path, mayRefuse)) results.set(index, result);
      };
      await byHalves(
        round,
        (some) => this.#twice(some, attempt),
        ({ index }, error) => {
          results.set(index, { status: 'rejected', reason: messageOf(error.cause ?? error) });
        },
      );
      isFirst = false;
    }
    return writes.map((_, index) => {
      const result = results.get(index);
      if (result === undefined) throw new Error(`No result for write ${index}.`);
      return result;
    });
  }

  /** Once more: a node that another transaction gave a relationship while this one deleted it fails the same way. */
  async #twice(some: readonly Asked[], attempt: (some: readonly Asked[]) => Promise<void>): Promise<void> {
    try {
      await attempt(some);
    } catch (error) {
      if (some.length > 1 || !isRejection(error)) throw error;
      await attempt(some);
    }
  }

  #faultOf(write: EntityWrite, path: CapturePath): string | undefined {
    const { name, kinds } = this.#scope.context;
    return (
      foreignKindFault(write.kind, kinds, name) ??
      writeFault(write, this.#settings, { path, store: name }) ??
      this.#vectors.fault(this.#asChange(write, path))
    );
  }

  async #learn(writes: readonly EntityWrite[], path: CapturePath): Promise<void> {
    const sound = writes.filter(
      (write) =>
        write.kind === 'embedding' &&
        writeFault(write, this.#settings, { path, store: this.#scope.context.name }) === undefined,
    );
    if (sound.length > 0) await this.#vectors.learn(sound.map((write) => this.#asChange(write, path)));
  }

  #asChange(write: EntityWrite, path: CapturePath) {
    const origin = { path, store: this.#scope.context.name, writer: this.#settings.writer };
    return changeOf(write, { version: 1, before: null, created: false, origin, eventId: '', capturedAt: 0 });
  }

  async #transact(
    round: readonly Asked[],
    path: CapturePath,
    mayRefuse: boolean,
  ): Promise<ReadonlyMap<number, WriteResult>> {
    const { client } = this.#scope;
    const { logger } = this.#scope.context;
    const events = round.flatMap(({ write }) => write.eventId ?? []);
    const results = await client.transact(
      (transaction) => this.#write(transaction, round, events, path, mayRefuse),
      { speaker: 'writer' },
    );
    const before = this.#events;
    this.#events += events.length;
    if (events.length > 0 && Math.floor(before / FORGET_EVERY) < Math.floor(this.#events / FORGET_EVERY)) {
      // What was written is written, whatever becomes of the tidying.
      await forgetEvents(client, this.#scope.outbox).catch((error: unknown) => {
        logger.warn({ where: client.where, reason: messageOf(error) }, 'cannot forget old event ids');
      });
    }
    return results;
  }

  async #write(
    transaction: Transaction,
    round: readonly Asked[],
    events: readonly string[],
    path: CapturePath,
    mayRefuse: boolean,
  ): Promise<ReadonlyMap<number, WriteResult>> {
    const { outbox, options, client } = this.#scope;
    const bound = mayRefuse || options.outbox.whenFull === 'drop' ? options.outbox : UNBOUNDED;
    const [seen, captures] = await Promise.all([
      seenEvents(transaction, outbox, events),
      hasRoom(transaction, outbox, bound, client.where),
    ]);
    const results = new Map<number, WriteResult>();
    const fresh: Asked[] = [];
    for (const each of round) {
      const version = each.write.eventId === undefined ? undefined : seen.get(each.write.eventId);
      if (version === undefined) fresh.push(each);
      else results.set(each.index, { status: 'repeated', version });
    }
    if (fresh.length === 0) return results;
    const made = await makeWrites(
      transaction,
      this.#scope,
      fresh.map(({ write }) => write),
      path,
    );
    const versions = new Map(made.map(({ asked, change }) => [asked, change.version]));
    const versionOf = (write: EntityWrite): number => versions.get(write) ?? 0;
    for (const { index, write } of fresh)
      results.set(index, { status: 'written', version: versionOf(write) });
    await Promise.all([
      captures
        ? captureWrites(transaction, this.#scope, made)
        : noteLoss(transaction, outbox, Math.max(...made.map(({ change }) => change.capturedAt))),
      rememberEvents(
        transaction,
        outbox,
        fresh.flatMap(({ write }) =>
          write.eventId === undefined ? [] : [[write.eventId, versionOf(write)] as const],
        ),
      ),
    ]);
    return results;
  }

  async #isReady(): Promise<void> {
    this.#ready ??= this.#check();
    try {
      await this.#ready;
    } catch (error) {
      this.#ready = undefined;
      throw error;
    }
  }

  async #check(): Promise<void> {
    await requirePrepared(this.#scope);
    if (await hasOutbox(this.#scope.client, this.#scope.outbox)) return;
    throw new ChangeoverError('mismatch', `${this.#scope.client.where}: capture is not installed`, {
      hint: 'Run changeover capture install neo4j.',
    });
  }
}
