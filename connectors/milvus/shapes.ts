import type { FieldType } from '@zilliz/milvus2-sdk-node';
import type { EmbeddingSpace } from '../../schemas/embedding-space.ts';
import { MAX_KEY_PART_BYTES } from '../../schemas/entity-fault.ts';
import type { VectorIndex } from './connection.ts';
import { INDEX_PROFILES, type IndexProfile } from './options.ts';

/** What the two collections are made of. */
export interface CollectionShape {
  readonly fields: readonly FieldType[];
  readonly index: Omit<VectorIndex, 'collection'>;
}

const ID: FieldType = {
  name: 'id',
  data_type: 'VarChar',
  is_primary_key: true,
  max_length: MAX_KEY_PART_BYTES,
};
const VERSION: FieldType = { name: 'version', data_type: 'Int64' };
const METRICS = { cosine: 'COSINE', l2: 'L2', ip: 'IP' } as const;

export function embeddingsShape(space: EmbeddingSpace, profile: IndexProfile): CollectionShape {
  return {
    fields: [
      ID,
      { name: 'agent_id', data_type: 'VarChar', max_length: MAX_KEY_PART_BYTES },
      { name: 'vector', data_type: 'FloatVector', dim: space.dimension },
      VERSION,
      { name: 'metadata', data_type: 'JSON' },
    ],
    index: {
      field: 'vector',
      type: 'HNSW',
      metric: METRICS[space.metric],
      parameters: INDEX_PROFILES[profile],
    },
  };
}

/** 2.3 makes no collection without a vector. */
export const TOMBSTONES_SHAPE: CollectionShape = {
  fields: [ID, VERSION, { name: 'unused', data_type: 'FloatVector', dim: 2 }],
  index: { field: 'unused', type: 'FLAT', metric: 'L2', parameters: {} },
};
