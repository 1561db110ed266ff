import { isRecord, toJson } from '../../core/json.ts';
import type { Change, Entity } from '../../schemas/change.ts';

export const MASKED = '***';
/** A shorter value is a part of many words, and is looked for as a whole one. */
const LEAST_PART = 4;

/** Replaces the values of fields that must not be told. */
export interface Mask {
  /** The change as plain data that has a JSON form; bytes are base64. */
  plain(change: Change): Readonly<Record<string, unknown>>;
  /** A text of a store about that change: stores like to repeat what they refuse. */
  text(text: string, change: Change): string;
}

/**
 * A field is a kind and a path in its entity, `agent.attributes.name`; `*` stands for anything. A mask of a field takes all
 * that is below it, too.
 */
export function createMask(fields: readonly string[]): Mask {
  const patterns = fields.map((field) => {
    const words = field.split('*').map(escaped);
    return new RegExp(`^${words.join('.*')}(\\.|$)`, 's');
  });
  const isMasked = (path: string): boolean => patterns.some((pattern) => pattern.test(path));

  const masked = (value: unknown, path: string): unknown => {
    if (isMasked(path)) return MASKED;
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
    if (!isRecord(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, masked(inner, `${path}.${name}`)]),
    );
  };
  const hidden = (value: unknown, path: string): readonly string[] => {
    if (value instanceof Uint8Array) return [];
    if (isRecord(value)) {
      return Object.entries(value).flatMap(([name, inner]) => hidden(inner, `${path}.${name}`));
    }
    return isMasked(path) && value !== null && value !== undefined ? [String(value)] : [];
  };

  return {
    plain: ({ kind, before, after, ...rest }) => ({
      kind,
      ...rest,
      before: before && masked(before, kind),
      after: after && masked(after, kind),
    }),
    text(text, { kind, before, after }) {
      if (patterns.length === 0) return text;
      const entities: readonly (Entity | null)[] = [before, after];
      const values = entities.flatMap((entity) => hidden(entity, kind));
      // As it is, and as it is written inside of JSON.
      const written = values.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]);
      // The longest first: one may be a part of another.
      const told = [...new Set(written)].filter((value) => value !== '').sort((a, b) => b.length - a.length);
      return told.reduce(
        (shown, value) =>
          value.length < LEAST_PART
            ? shown.replace(wholeWord(value), MASKED)
            : shown.replaceAll(value, MASKED),
        text,
      );
    },
  };
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function wholeWord(text: string): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}])${escaped(text)}(?![\\p{L}\\p{N}])`, 'gu');
}

/** What a letter keeps of a change where fields are masked. */
export function maskedJson(change: Change, mask: Mask): Buffer {
  return Buffer.from(toJson(mask.plain(change)));
}
