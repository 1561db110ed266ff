import type { Logger } from '../../core/logger.ts';
import type { Change } from '../../schemas/change.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { type ApplyDistinct, coalescingSink } from '../coalescing-sink.ts';
import { type Outcome, type Sink, STALE } from '../connector.ts';
import { writeEntities } from './apply/entity-writer.ts';
import { writeExperiences } from './apply/experience-writer.ts';
import type { RedisClient } from './client/client.ts';
import type { Layout, RedisKind } from './layout.ts';

interface SinkOptions {
  readonly client: RedisClient;
  readonly layout: Layout;
  readonly kinds: readonly RedisKind[];
  readonly logger: Logger;
}

export function openSink({ client, layout, kinds, logger }: SinkOptions): Sink {
  const own = (kind: Kind) => kinds.find((candidate) => candidate === kind);
  const applyDistinct: ApplyDistinct = async (kind, changes) => {
    const outcomes = new Map<Change, Outcome>();
    const ofKind = own(kind);
    if (ofKind === 'experience') await writeExperiences(changes, outcomes, { client, layout, logger });
    else if (ofKind !== undefined) await writeEntities(ofKind, changes, outcomes, { client, layout });
    return changes.map((change) => outcomes.get(change) ?? STALE);
  };
  // The client belongs to the store, which closes it.
  return coalescingSink({ kinds, applyDistinct, close: async () => {} });
}
