/** Where an application keeps what: a key with the agent's id somewhere in it. */
export interface KeyPattern {
  readonly prefix: string;
  readonly suffix: string;
}

const PLACEHOLDER = /\{(?:id|agentId)\}/;

/** Reads `rl:q:{agentId}` (or `{id}`); undefined unless the placeholder is there exactly once. */
export function parsePattern(text: string): KeyPattern | undefined {
  const [prefix, suffix, more] = text.split(PLACEHOLDER);
  if (prefix === undefined || suffix === undefined || more !== undefined) return undefined;
  return { prefix, suffix };
}

export function formatPattern({ prefix, suffix }: KeyPattern): string {
  return `${prefix}{id}${suffix}`;
}

export function keyFor({ prefix, suffix }: KeyPattern, id: string): string {
  return prefix + id + suffix;
}

/** The id in a key of this pattern (it may be empty), or undefined when the key is of another. */
export function idIn({ prefix, suffix }: KeyPattern, key: string): string | undefined {
  if (key.length < prefix.length + suffix.length) return undefined;
  if (!key.startsWith(prefix) || !key.endsWith(suffix)) return undefined;
  return key.slice(prefix.length, key.length - suffix.length);
}

/** The pattern for SCAN MATCH, in which only the id is open. */
export function globOf({ prefix, suffix }: KeyPattern): string {
  return `${escapeGlob(prefix)}*${escapeGlob(suffix)}`;
}

function escapeGlob(text: string): string {
  return text.replaceAll(/[\\*?[\]]/g, '\\$&');
}

/**
 * Whether one key could belong to both. An id may be any text, so two patterns are apart only where neither prefix
 * begins with the other, or neither suffix ends with the other.
 */
export function overlap(left: KeyPattern, right: KeyPattern): boolean {
  const prefixesMeet = left.prefix.startsWith(right.prefix) || right.prefix.startsWith(left.prefix);
  const suffixesMeet = left.suffix.endsWith(right.suffix) || right.suffix.endsWith(left.suffix);
  return prefixesMeet && suffixesMeet;
}
