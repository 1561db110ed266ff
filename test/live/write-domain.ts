import { openDeploymentShim } from '../../cli/work/writers.ts';
import type { EntityWrite } from '../../connectors/capture.ts';
import type { Batch } from '../../producers/shim/shim.ts';
import { parseKey } from '../../schemas/keys.ts';
import { openOrigin } from './open-origin.ts';
import type { Answer, StoreWriter } from './store-writer.ts';
import type { WriterOptions } from './writer-options.ts';

/** An application that says what it means through the domain API. */
export async function openDomainWriter({ configFile, store }: WriterOptions): Promise<StoreWriter> {
  const origin = await openOrigin(configFile, store);
  const shim = await openDeploymentShim(origin.deployment);
  return {
    way: 'shim',
    async write(writes) {
      const batch = shim.batch();
      for (const write of writes) say(batch, write);
      return (await batch.write()).map((result): Answer => {
        if (result.status === 'failed') throw result.error;
        return result;
      });
    },
    close: () => origin.close(),
  };
}

function say(batch: Batch, { kind, key, entity, eventId }: EntityWrite): void {
  const given = eventId === undefined ? {} : { eventId };
  switch (kind) {
    case 'agent':
      entity === null ? batch.deleteAgent(key, given) : batch.upsertAgent(entity, given);
      return;
    case 'relationship':
      entity === null ? batch.unrelate(parseKey(kind, key), given) : batch.relate(entity, given);
      return;
    case 'embedding':
      entity === null ? batch.deleteEmbedding(key, given) : batch.putEmbedding(entity, given);
      return;
    case 'experience':
      entity === null ? batch.deleteExperience(key, given) : batch.recordExperience(entity, given);
      return;
    case 'q-value':
      entity === null ? batch.deleteQValue(parseKey(kind, key), given) : batch.putQValue(entity, given);
      return;
    case 'policy':
      entity === null ? batch.deletePolicy(parseKey(kind, key), given) : batch.putPolicy(entity, given);
      return;
    default:
      kind satisfies never;
  }
}
