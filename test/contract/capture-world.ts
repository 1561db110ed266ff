import type { EntityWrite } from '../../connectors/capture.ts';
import type { Store } from '../../connectors/connector.ts';
import type { OutboxOptions } from '../../connectors/outbox-options.ts';
import type { Kind } from '../../schemas/kinds.ts';

/** What an implementation says of itself. */
export interface CaptureUnderContract {
  readonly kinds: readonly Kind[];
  /** A fresh, empty place of its own, in which capture is installed by the suite. */
  place(options?: Partial<OutboxOptions>): Promise<CapturePlace>;
  /** Whether several clients may write at once. False where one process owns the place (the dictionary's lock). */
  readonly concurrentClients: boolean;
  /** Whether a claim that is not renewed ends while its process lives. False where the process's life is the claim. */
  readonly claimExpires: boolean;
  /** Kinds of which the delete of what never was is rejected, where it could not be in order with what is written later. */
  readonly rejectsUnknownDeletes?: readonly Kind[];
}

export interface CapturePlace {
  /** Opens a client whose `capture` is there, with `CAPTURE_TEST_SETTINGS` and `CAPTURE_TEST_SPACE`. */
  open(): Promise<Store>;
  /** From now on the clock that gives the versions of this key is about an hour behind what it said before. */
  setClockBack(kind: Kind, key: string): Promise<void>;
  /** Begins one unit of writing with this write, and gives it up or lets it fail before it is committed. */
  rollBack(write: EntityWrite): Promise<void>;
  remove(): Promise<void>;
}

export const CAPTURE_TEST_MAX_BYTES = 100_000;

/** Every write of this suite is in this space (test/support/entities.ts), but for those that must be refused. */
export const CAPTURE_TEST_SPACE = {
  model: 'test-model',
  revision: '1',
  metric: 'cosine',
  normalised: true,
  dimension: 8,
} as const;

export const CAPTURE_TEST_SETTINGS = {
  maxChangeBytes: CAPTURE_TEST_MAX_BYTES,
  space: CAPTURE_TEST_SPACE,
  writer: 'test',
} as const;
