import type { Clock } from '../../core/clock.ts';
import type { DeadLetterTopic, Resolution } from '../../log/log.ts';
import type { Letter } from './letters.ts';

export interface Resolver {
  readonly log: { readonly deadLetters: DeadLetterTopic };
  /** Who does it, for those who look at it later. */
  readonly by: string;
  readonly clock: Clock;
}

/** Writes down what became of letters; durable when it resolves. Their payloads stay where they are. */
export async function resolve(
  letters: readonly Letter[],
  { state, note }: Pick<Resolution, 'state' | 'note'>,
  { log, by, clock }: Resolver,
): Promise<void> {
  if (letters.length === 0) return;
  const resolution: Resolution = { state, note, by, at: clock.nowUs() };
  await log.deadLetters.write(
    letters.map((letter) => ({ ...letter, payloadForm: 'none', payload: null, resolution })),
  );
}
