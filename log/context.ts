import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Codec } from '../schemas/codec.ts';

/** What a log needs to know of its surroundings, whatever it is made of. */
export interface LogContext {
  /** The first part of every topic's name. */
  readonly prefix: string;
  readonly codec: Codec;
  /** Who writes facts into the control topic: the process or run. */
  readonly writer: string;
  readonly logger: Logger;
  readonly clock: Clock;
}
