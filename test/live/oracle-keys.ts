import type { Kind } from '../../schemas/kinds.ts';
import { type Evidence, type LogEntry, placeOf, type Write } from './evidence.ts';

/** Everything that is known of one key. */
export interface KeyEvidence {
  readonly kind: Kind;
  readonly key: string;
  readonly writes: readonly Write[];
  /** The state before anything was captured; undefined where there was none. */
  readonly initial: string | undefined;
  /** In the order of their offsets. */
  readonly log: readonly LogEntry[];
  /** The first record of each version that was captured, by version. */
  readonly captured: ReadonlyMap<number, LogEntry>;
  /** Deletes of agents at its ends, where it is a relationship: each may take it along. */
  readonly endDeletes: readonly Write[];
}

export const isCaptured = ({ path }: LogEntry): boolean => path === 'shim' || path === 'ingest';

interface Draft {
  readonly kind: Kind;
  readonly key: string;
  readonly writes: Write[];
  readonly log: LogEntry[];
  initial: string | undefined;
}

export function evidenceByKey({ writes, initial, log }: Evidence): ReadonlyMap<string, KeyEvidence> {
  const drafts = new Map<string, Draft>();
  const draftOf = ({ kind, key }: { readonly kind: Kind; readonly key: string }): Draft => {
    const place = placeOf({ kind, key });
    const draft = drafts.get(place) ?? { kind, key, writes: [], log: [], initial: undefined };
    drafts.set(place, draft);
    return draft;
  };
  for (const state of initial) draftOf(state).initial = state.content;
  for (const write of writes) draftOf(write).writes.push(write);
  for (const entry of log) draftOf(entry).log.push(entry);
  return new Map(
    Array.from(drafts, ([place, draft]) => [
      place,
      { ...draft, captured: capturedOf(draft.log), endDeletes: endDeletesOf(draft, drafts) },
    ]),
  );
}

function capturedOf(log: readonly LogEntry[]): ReadonlyMap<number, LogEntry> {
  const captured = new Map<number, LogEntry>();
  for (const entry of log) {
    if (isCaptured(entry) && !captured.has(entry.version)) captured.set(entry.version, entry);
  }
  return captured;
}

function endDeletesOf({ kind, key }: Draft, drafts: ReadonlyMap<string, Draft>): readonly Write[] {
  return endsOf(kind, key).flatMap((id) => {
    const agent = drafts.get(placeOf({ kind: 'agent', key: id }));
    return (agent?.writes ?? []).filter(({ content, rejected }) => content === null && !rejected);
  });
}

/** The agents that a relationship is between. */
export function endsOf(kind: Kind, key: string): readonly string[] {
  if (kind !== 'relationship') return [];
  const [source, , target] = JSON.parse(key) as readonly string[];
  return [...new Set([source ?? '', target ?? ''])];
}

/** What is so at the end: the state under the greatest version that anybody was told of or that the log has. */
export interface Truth {
  /** Null where no captured write has touched the key: then a backfill's generation labels it. */
  readonly version: number | null;
  /** Null for deleted; undefined for never there. */
  readonly content: string | null | undefined;
}

export function truthOf({ writes, captured, initial }: KeyEvidence): Truth {
  let truth: Truth = { version: null, content: initial };
  const offer = (version: number, content: string | null): void => {
    if (truth.version === null || version > truth.version) truth = { version, content };
  };
  for (const { version, content } of writes) if (version !== null) offer(version, content);
  for (const { version, content } of captured.values()) offer(version, content);
  return truth;
}
