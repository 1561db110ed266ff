import { ChangeoverError } from '../../../core/errors.ts';

/** What the server says in INFO: `redis_version` and the like. */
export type ServerInfo = ReadonlyMap<string, string>;

/** Older ones are no longer maintained, and refuse scripts' rights differently. */
const OLDEST_VERSION: readonly [major: number, minor: number] = [6, 2];

export function infoIn(text: string): ServerInfo {
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** Throws where we cannot work with the server. */
export function checkServer(info: ServerInfo, where: string, isCluster: boolean): void {
  const version = info.get('redis_version') ?? '0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_VERSION;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    throw new ChangeoverError('unsupported', `Redis at ${where} is version ${version}.`, {
      hint: `Use Redis ${OLDEST_VERSION.join('.')} or newer.`,
    });
  }
  if (!isCluster && info.get('redis_mode') === 'cluster') {
    throw new ChangeoverError('unsupported', `Redis at ${where} is a node of a Redis Cluster.`, {
      hint: 'Name some nodes in legacy.redis.cluster, in place of url, host and port; a target has to be a single primary.',
    });
  }
}
