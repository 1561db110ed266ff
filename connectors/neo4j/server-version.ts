import { ChangeoverError } from '../../core/errors.ts';
import type { Neo4jClient } from './client.ts';

/** The oldest release that this was run against; it is the long-term one. */
const OLDEST = { major: 5, minor: 26 };

/** Throws `unsupported` for a server that is too old. */
export async function requireSupported(client: Neo4jClient): Promise<void> {
  const version = await serverVersion(client);
  if (isSupported(version)) return;
  throw new ChangeoverError('unsupported', `${client.where}: it is Neo4j ${version}`, {
    hint: `Upgrade it to ${OLDEST.major}.${OLDEST.minor} (long-term support) or newer.`,
  });
}

export async function serverVersion(client: Neo4jClient): Promise<string> {
  const [row] = await client.runAlone(
    'CALL dbms.components() YIELD name, versions RETURN versions[0] AS version',
  );
  return String(row?.get('version'));
}

/** True for 5.26 and later 5.x, and for the calendar versions that follow (2025.01 …). */
export function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor);
}
