import { isRecord, tryParseJson } from '../../core/json.ts';
import type { EmbeddingSpace } from '../../schemas/embedding-space.ts';
import type { StoreContext } from '../connector.ts';

export type Owner = Pick<StoreContext, 'name' | 'role'>;

/** What a collection's description says: whose it is, and of which space. It cannot be changed once it is made. */
export interface CollectionMark {
  readonly owner: Owner;
  /** Undefined for the collection of tombstones. */
  readonly space: EmbeddingSpace | undefined;
}

const FORMAT = 1;

export function markText({ owner, space }: CollectionMark): string {
  return JSON.stringify({ changeover: FORMAT, role: owner.role, name: owner.name, space });
}

/** Undefined for a description that is not ours. */
export function parseMark(description: string): CollectionMark | undefined {
  const mark = tryParseJson(description);
  if (!isRecord(mark) || mark.changeover !== FORMAT) return undefined;
  const { role, name, space } = mark;
  if ((role !== 'legacy' && role !== 'target') || typeof name !== 'string') return undefined;
  return {
    owner: { role, name },
    space: isRecord(space) ? (space as unknown as EmbeddingSpace) : undefined,
  };
}
