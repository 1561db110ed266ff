import type { Kind } from '../../schemas/kinds.ts';
import type { ScanRange } from '../../schemas/scan-order.ts';
import type { Held } from '../../schemas/version.ts';
import type { ScanChunk, ScanOptions, Source } from '../connector.ts';
import type { NodeKind } from './apply-nodes.ts';
import { getNodes, getTies, lookUp } from './get.ts';
import { countNodes, countTies, planRanges } from './plan.ts';
import { type GraphKind, type Reading, readAgent, readEmbedding, readRelationship } from './rows.ts';
import { type NodeReader, scanNodes } from './scan-nodes.ts';
import { scanTies, type TieReader } from './scan-ties.ts';
import type { StoreScope } from './scope.ts';
import { sampledModel, vectorDimension } from './vector-index.ts';

/** What a source can do with one kind. */
interface KindSource<K extends GraphKind> {
  count(): Promise<number>;
  ranges(parts: number): Promise<readonly ScanRange[]>;
  scan(range: ScanRange, options: ScanOptions): AsyncIterable<ScanChunk<K>>;
  get(keys: readonly string[]): Promise<readonly (Held<K> | undefined)[]>;
}

export function openSource(scope: StoreScope): Source {
  const { context } = scope;
  const sources: { readonly [K in GraphKind]: KindSource<K> } = {
    agent: nodeSource(agentReader(scope)),
    relationship: tieSource(scope),
    embedding: nodeSource(embeddingReader(scope)),
  };
  const sourceOf = <K extends Kind>(kind: K): KindSource<K & GraphKind> => {
    if (!context.kinds.includes(kind)) throw new Error(`This source holds no ${kind}.`);
    return sources[kind as K & GraphKind];
  };
  return {
    kinds: context.kinds,
    count: async (kind) => await sourceOf(kind).count(),
    ranges: async (kind, parts) => await sourceOf(kind).ranges(parts),
    scan: (kind, range, options) => sourceOf(kind).scan(range, options),
    get: async (kind, keys) => await sourceOf(kind).get(keys),
    close: async () => {},
  };
}

function nodeSource<K extends NodeKind>(reader: NodeReader<K>): KindSource<K> {
  const { client, names } = reader;
  return {
    count: () => countNodes(client, names),
    ranges: (parts) => planRanges(client, names, parts, 'by node'),
    scan: (range, options) => scanNodes(reader, range, options),
    async get(keys) {
      await reader.refresh('if unknown');
      return await lookUp(keys, (some) => getNodes(reader, some));
    },
  };
}

function tieSource({ client, names, options, context }: StoreScope): KindSource<'relationship'> {
  const reader: TieReader = {
    client,
    clock: context.clock,
    names: names.agent,
    read: (ends, properties) => readRelationship(ends, properties, options),
  };
  return {
    count: () => countTies(client, names.agent),
    ranges: (parts) => planRanges(client, names.agent, parts, 'by relationships'),
    scan: (range, scanOptions) => scanTies(reader, range, scanOptions),
    get: (keys) => lookUp(keys, (some) => getTies(reader, names.relationshipTombstone, some)),
  };
}

function agentReader({ client, names, options, context }: StoreScope): NodeReader<'agent'> {
  return {
    client,
    clock: context.clock,
    names: names.agent,
    refresh: async () => {},
    read: (properties) => readAgent(properties, options),
  };
}

/**
 * One place holds one space: an embedding that is not as long as the others, or of another model, is none of this place.
 * (Mixing models of the same dimension is the quietest way to ruin a vector store.)
 */
function embeddingReader({ client, names, options, context }: StoreScope): NodeReader<'embedding'> {
  const { label } = names.memory;
  let dimension: number | null = null;
  let model: string | null = options.space.model ?? null;
  return {
    client,
    clock: context.clock,
    names: names.memory,
    async refresh(when) {
      if (when === 'if unknown' && dimension !== null) return;
      dimension = await vectorDimension(client, label);
      model = options.space.model ?? (await sampledModel(client, label));
    },
    read(properties): Reading<'embedding'> {
      const reading = readEmbedding(properties, options);
      if (reading.fault !== undefined) return reading;
      const { space, dimension: own } = reading.entity;
      if (dimension !== null && own !== dimension) {
        return { fault: `vector has ${own} dimensions, the others have ${dimension}` };
      }
      if (model !== null && space.model !== model) {
        const others = options.space.model === undefined ? 'the others are' : 'the configuration says';
        return { fault: `its model is ${JSON.stringify(space.model)}, ${others} ${JSON.stringify(model)}` };
      }
      return reading;
    },
  };
}
