import type { Clock } from '../../core/clock.ts';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import { unlessAborted } from '../../core/service.ts';
import type { DeadLetter, DeadLetterTopic } from '../../log/log.ts';
import type { Change } from '../../schemas/change.ts';
import type { Codec } from '../../schemas/codec.ts';
import { nameOf, type Refuse, type Refused } from '../refused.ts';
import { letterId, readLetters, sha256Of } from './letters.ts';
import { createMask, type Mask, maskedJson } from './mask.ts';
import type { DeadLetterOptions } from './options.ts';

export interface RecordRefusedOptions extends Pick<DeadLetterOptions, 'stopAfter' | 'payload' | 'mask'> {
  /** The store's name. */
  readonly store: string;
  readonly deadLetters: DeadLetterTopic;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly logger: Logger;
}

const POLICY = { attempts: Number.POSITIVE_INFINITY, initialDelayMs: 100, maxDelayMs: 5_000 } as const;
const LONGEST_REASON = 2_000;

/**
 * Writes down each record that a store refuses, and goes on: it resolves when all of them are durable, and waits for a log
 * that is away.
 *
 * Many refusals are one wrong configuration rather than so many wrong records. So a store that has `stopAfter` open letters
 * stops at the next one, also when it is started again and again: what counts is what is open in the log. It is asked when
 * the first record is refused, and again when the limit seems to be reached.
 */
export function recordRefused(options: RecordRefusedOptions): Refuse {
  const { store, deadLetters, stopAfter, clock, logger } = options;
  const mask = createMask(options.mask);
  let open: Set<string> | undefined;

  const patiently = <T>(doing: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> =>
    retry(() => unlessAborted(work(), signal), {
      policy: POLICY,
      clock,
      signal,
      onRetry: (error) => logger.warn({ store, reason: messageOf(error) }, `cannot ${doing}, trying again`),
    });
  const readOpen = (signal: AbortSignal): Promise<Set<string>> =>
    patiently(
      'read the dead letters',
      async () => {
        const letters = await readLetters(deadLetters);
        return new Set(
          letters.filter(({ sink, state }) => sink === store && state === 'open').map(({ id }) => id),
        );
      },
      signal,
    );

  return async (refused, signal) => {
    const letters = refused.map((each) => letterOf(each, options, mask));
    const ids = letters.map(letterId);
    const withThese = (known: ReadonlySet<string>): Set<string> => new Set([...known, ...ids]);
    let after = withThese(open ?? (await readOpen(signal)));
    // Some may have been dealt with since.
    if (after.size > stopAfter && open !== undefined) after = withThese(await readOpen(signal));
    if (after.size > stopAfter) throw flood(store, after.size, stopAfter, letters);
    await patiently('write dead letters', () => deadLetters.write(letters), signal);
    open = after;
    const [first] = refused;
    if (first === undefined) return;
    logger.warn(
      { store, refused: refused.length, first: nameOf(first), reason: letters[0]?.reason },
      'refused for good; recorded as dead letters',
    );
  };
}

function letterOf(refused: Refused, options: RecordRefusedOptions, mask: Mask): DeadLetter {
  const { kind, partition, offset, key, value } = refused.record;
  const { codec, store, clock } = options;
  const change = refused.class === 'rejected' ? decoded(refused, codec) : undefined;
  const reason = change === undefined ? refused.reason : mask.text(refused.reason, change);
  return {
    sink: store,
    kind,
    partition,
    offset,
    key,
    class: refused.class,
    reason: reason.slice(0, LONGEST_REASON),
    version: change?.version ?? null,
    payloadSha256: value && sha256Of(value),
    ...keptOf(options.payload, value, change, mask),
    refusedAt: clock.nowUs(),
    resolution: null,
  };
}

const NOTHING_KEPT = { payloadForm: 'none', payload: null } as const;

function keptOf(
  form: DeadLetterOptions['payload'],
  value: Buffer | null,
  change: Change | undefined,
  mask: Mask,
): Pick<DeadLetter, 'payloadForm' | 'payload'> {
  switch (form) {
    case 'none':
      return NOTHING_KEPT;
    case 'full':
      return value === null ? NOTHING_KEPT : { payloadForm: form, payload: value };
    case 'masked':
      // Of bytes that are no change nobody can say which of them are to be masked.
      return change === undefined ? NOTHING_KEPT : { payloadForm: form, payload: maskedJson(change, mask) };
    default:
      return form satisfies never;
  }
}

function decoded({ record: { kind, key, value } }: Refused, codec: Codec): Change | undefined {
  try {
    return value === null ? undefined : codec.decode(kind, key, value);
  } catch {
    return undefined;
  }
}

function flood(store: string, open: number, most: number, letters: readonly DeadLetter[]): ChangeoverError {
  const last = letters.at(-1);
  const what = last === undefined ? '' : `; the last is ${nameOf({ record: last })}: ${last.reason}`;
  return new ChangeoverError(
    'change-rejected',
    `${store} would have ${open} open dead letters, more than ${most}${what}`,
    {
      hint:
        `So many refusals are rather a wrong configuration of ${store} than wrong changes. Nothing of this batch was committed for it. ` +
        `See \`changeover dead-letters list\`; mend the cause and redrive or drop them, or raise deadLetters.stopAfter, then run again.`,
    },
  );
}
