import type { Redis } from 'ioredis';

/** `host:port`, as a cluster's client names its nodes. */
export function nameOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`;
}
