/**
 * What the versions hash says of an entity, as text: `17` there, as of version 17 · `-17` deleted at 17. For an
 * experience, which is found only by its list and time: `17 <at> <agentId>`; with version 0 where it stands in its
 * list without a version, and `?` for a time that does not help to find it.
 */
export interface HeldVersion {
  /** Null where the entity is known but no captured write or backfill has given it a version. */
  readonly version: number | null;
  readonly deleted: boolean;
}

const TEXT = /^(-?)(\d{1,16})(?: |$)/;

/** Undefined when the text is none of ours. */
export function parseHeldVersion(text: string): HeldVersion | undefined {
  const [, sign, digits] = TEXT.exec(text) ?? [];
  const version = Number(digits);
  if (digits === undefined || !Number.isSafeInteger(version)) return undefined;
  return { version: version === 0 ? null : version, deleted: sign === '-' };
}

/**
 * The version of an entity that is there. Null also where it was deleted and the application wrote it anew: the version
 * that is held is the delete's, and no two states may have the same.
 */
export function versionOf(held: HeldVersion | undefined): number | null {
  return held === undefined || held.deleted ? null : held.version;
}
