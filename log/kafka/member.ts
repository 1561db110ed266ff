import type { KafkaMessage } from 'kafkajs';
import type { ChangeoverError } from '../../core/errors.ts';
import type { Closable } from '../../core/service.ts';
import type { Hidden } from './hidden.ts';
import type { Pulse } from './pulse.ts';
import type { Committed } from './watermarks.ts';

/** What one fetch brought of one partition. */
export interface Fetched {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly KafkaMessage[];
  /** Offsets beside those of the messages, ascending (hidden.ts). */
  readonly hidden: readonly number[];
  /** Where the fetch after this one begins. */
  readonly nextOffset: number;
  /** Keeps the membership alive; throws when the group is being shared out anew, which has to reach kafkajs. */
  heartbeat(): Promise<void>;
  /** True when reading has been sent elsewhere in this partition since: not to be taken, it comes again. */
  isStale(): boolean;
  /**
   * Says that these messages have been taken, so that the next fetch goes on behind them. To be called in the same
   * breath as taking them: after a pause the position could be that of another generation.
   */
  taken(): void;
}

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** One life of one member of a group, as its subscription sees it. */
export interface Member extends Closable {
  readonly pulse: Pulse;
  /** Resolves with the reason when this member has stopped by itself. */
  readonly stopped: Promise<ChangeoverError>;
  /** The next fetch of this partition begins there, whatever is under way. */
  seek(place: Place, offset: number): void;
  /** One attempt. The offsets are those to read next. */
  commit(offsets: readonly (Place & Committed)[]): Promise<void>;
  /** Ends this member for that reason; it takes nothing more. */
  end(reason: ChangeoverError): void;
  /** Sends nothing any more. The others get its partitions when the session timeout is over. */
  abandon(): void;
}

export interface MemberEvents {
  /** The group is being shared out anew, and this member asks for its part when this resolves. */
  joining(): Promise<void>;
  /** Partitions were assigned anew. Everything that was fetched before is void; fetching starts at what is committed. */
  joined(assigned: readonly Place[]): void;
  /**
   * A fetch has failed, and the next one begins now. A topic that was deleted and made again in between would be read on
   * in the middle; what is sent elsewhere in this call begins there.
   */
  disturbed(): void;
  /** Fetching waits until this resolves. What was not `taken` is fetched again. */
  fetched(fetched: Fetched): Promise<void>;
  /** A fetch has brought nothing but this, and the next one begins behind it. */
  passed(hidden: Hidden): void;
}
