/**
 * The variables of the specification, and where it begins. Everything that belongs to one key is together, because keys
 * meet nowhere but in the clock, in who runs, and in what may still happen.
 */

/**
 * What an entity is: the number of the write that made it so (of its key, in the order of the stamps), 0 or -1 where
 * that was before capture was installed; null where there is no entity.
 */
export type Content = number | null;

/** One statement: "as of this version, the entity is this". */
export interface Statement {
  readonly version: number;
  readonly content: Content;
  readonly path: 'live' | 'backfill';
}

/** A write between its stamp and its commit. It has no version where capture does not see it. */
export interface Writing {
  readonly version: number | null;
  readonly content: Content;
}

/** A statement that a relay has sent and that is still in the outbox, as far as it knows: in the log already, or not. */
export interface Flying extends Statement {
  readonly landed: boolean;
}

/** What one run of the backfill knows of the key, in the order of its work. */
export type Reading =
  | { readonly at: 'unread' }
  | { readonly at: 'half-read'; readonly label: number | null; readonly content: Content | 'not yet' }
  | { readonly at: 'flying'; readonly statement: Statement }
  | { readonly at: 'landed' }
  /** Written down: no crash can lose it. */
  | { readonly at: 'done' };

export interface Follower {
  readonly version: number | null;
  readonly content: Content;
  /** Offsets into the key's log: of the next record to apply, and of the one that a restart begins with. */
  readonly next: number;
  readonly committed: number;
  /** What a second consumer, which believes that it owns the partition, has read of the store before it writes. */
  readonly looked: { readonly offset: number; readonly held: number | null } | null;
  /** For the properties alone: the greatest delete that it has applied. */
  readonly buried: number;
}

export interface KeyState {
  /** What everybody can read in the origin store: the last committed state. A deleted key keeps its version. */
  readonly origin: { readonly version: number | null; readonly content: Content };
  /** Stamped and not visible yet. With the key's lock, one at most. */
  readonly writing: readonly Writing[];
  readonly outbox: readonly Statement[];
  readonly log: readonly Statement[];
  /** What each relay has on its way, in the order of the outbox. */
  readonly relays: readonly (readonly Flying[])[];
  /** Sent by a producer that is gone, or that has given up waiting: in the log at any time from now on, or never. */
  readonly stray: readonly Statement[];
  readonly reading: Reading;
  readonly follower: Follower;
  /** For the properties alone: the captured writes as they were committed, and whether there was an entity before. */
  readonly history: readonly Writing[];
  readonly legacy: boolean;
}

/** What may happen still. Each kind of trouble is bounded, so that the states are. */
export interface Budget {
  readonly writes: number;
  readonly ticks: number;
  readonly setBacks: number;
  readonly aborts: number;
  readonly relayCrashes: number;
  /** A relay that is held up for longer than its claim, and goes on. */
  readonly relayPauses: number;
  readonly backfillCrashes: number;
  readonly backfillRuns: number;
}

export interface State {
  readonly keys: readonly KeyState[];
  /** The origin's, from which versions are stamped. */
  readonly clock: number;
  readonly installed: boolean;
  /** Of the newest run of the backfill; 0 before the first one. */
  readonly generation: number;
  readonly backfillRuns: boolean;
  /** Which relay the store has given the claim to. */
  readonly claim: number | null;
  /** Which relays believe that they have it. */
  readonly believes: readonly boolean[];
  readonly budget: Budget;
}

/** As `FIRST_CAPTURED_VERSION` in schemas/version.ts, small enough to be read in a trace. */
export const FIRST_CAPTURED = 10;

export interface Constants extends Budget {
  readonly keys: number;
  readonly relays: number;
}

/** Each key may or may not have an entity from before, and a write that capture does not see may be under way. */
export function initialStates({ keys, relays, ...budget }: Constants): readonly State[] {
  const firsts = [keyState(relays, true, []), keyState(relays, false, [])];
  if (budget.writes > 0) firsts.push(keyState(relays, true, [{ version: null, content: -1 }]));
  let choices: readonly (readonly KeyState[])[] = [[]];
  for (let key = 0; key < keys; key += 1) {
    choices = choices.flatMap((chosen) => firsts.map((first) => [...chosen, first]));
  }
  return choices.map((chosen) => ({
    keys: chosen,
    clock: FIRST_CAPTURED,
    installed: false,
    generation: 0,
    backfillRuns: false,
    claim: null,
    believes: Array.from({ length: relays }, () => false),
    budget,
  }));
}

function keyState(relays: number, legacy: boolean, writing: readonly Writing[]): KeyState {
  return {
    origin: { version: null, content: legacy ? 0 : null },
    writing,
    outbox: [],
    log: [],
    relays: Array.from({ length: relays }, () => []),
    stray: [],
    reading: { at: 'unread' },
    follower: { version: null, content: null, next: 0, committed: 0, looked: null, buried: 0 },
    history: [],
    legacy,
  };
}

/** The same text for states that differ in the names of their keys alone. Fields are always in the same order. */
export function canonical(state: State): string {
  const keys = state.keys.map((key) => JSON.stringify(Object.values(key)));
  const { clock, installed, generation, backfillRuns, claim, believes, budget } = state;
  const rest = [clock, installed, generation, backfillRuns, claim, believes, Object.values(budget)];
  return keys.sort().join('') + JSON.stringify(rest);
}
