import { type ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Probe, ProbeResult } from '../connector.ts';
import type { MilvusConnection } from './connection.ts';
import type { FoundCollections } from './schema.ts';

interface ProbeOptions {
  readonly connection: MilvusConnection;
  readonly collections: FoundCollections;
}

type Look = (options: ProbeOptions) => Promise<Omit<ProbeResult, 'check'>>;

export function openProbe(options: ProbeOptions): Probe {
  return {
    check: () => Promise.all(Object.entries(LOOKS).map(([check, look]) => guarded(check, look(options)))),
  };
}

/** What cannot be looked at is not ok, and says why. */
async function guarded(check: string, looking: ReturnType<Look>): Promise<ProbeResult> {
  try {
    return { check, ...(await looking) };
  } catch (error) {
    const { hint } = error as Partial<ChangeoverError>;
    return { check, ok: false, detail: messageOf(error), ...(hint !== undefined && { fix: hint }) };
  }
}

const LOOKS: Readonly<Record<string, Look>> = {
  reachable: async ({ connection }) => ({
    ok: true,
    detail: `${connection.where}, version ${await connection.version()}`,
  }),

  /** A server without memory or disk left refuses writes, and says so here. */
  healthy: async ({ connection }) => {
    const { healthy, reasons } = await connection.health();
    return healthy
      ? { ok: true, detail: 'all parts are' }
      : { ok: false, detail: reasons.join('; '), fix: "Look at the server's log, memory and disk." };
  },

  /** Asking needs the right to; the answer also says whose the collections are. */
  collections: async ({ collections }) => {
    const made = await collections.hasTombstones();
    const space = await collections.space();
    if (!made) return { ok: true, detail: `${collections.embeddings} is yet to be made` };
    if (space === undefined) {
      return { ok: true, detail: `${collections.embeddings} is made with the first embedding` };
    }
    const { model, dimension, metric } = space;
    return {
      ok: true,
      detail: `${collections.embeddings} holds ${model}, ${dimension} dimensions, ${metric}`,
    };
  },

  loaded: async ({ connection, collections }) => {
    if ((await collections.space()) === undefined) return { ok: true, detail: 'nothing to load yet' };
    const ok = await connection.isLoaded(collections.embeddings);
    return ok
      ? { ok, detail: `${collections.embeddings} is` }
      : {
          ok,
          detail: `${collections.embeddings} is not`,
          fix: 'Load the collection, or let the store be prepared.',
        };
  },
};
