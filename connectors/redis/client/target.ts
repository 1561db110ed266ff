import { readFile } from 'node:fs/promises';
import type { RedisOptions as ClientOptions } from 'ioredis';
import { ChangeoverError, messageOf } from '../../../core/errors.ts';
import { readSecret } from '../../../core/secret.ts';
import type { RedisOptions } from '../options.ts';

/** Whom to connect to, in the client's words. */
export interface Target extends Pick<ClientOptions, 'username' | 'password' | 'tls'> {
  readonly host: string;
  readonly port: number;
  readonly db: number;
}

export async function readTarget(options: RedisOptions): Promise<Target> {
  const url = options.url === undefined ? undefined : new URL(options.url);
  const secret = (await readSecret(options)) ?? decoded(url?.password);
  const username = decoded(url?.username) ?? options.username;
  const encrypted = options.tls || url?.protocol === 'rediss:';
  return {
    // An IPv6 address stands in brackets in a url.
    host: url?.hostname.replace(/^\[(.*)\]$/, '$1') ?? options.host,
    port: url === undefined ? options.port : Number(url.port || 6379),
    db: url === undefined ? options.db : Number(url.pathname.slice(1) || 0),
    ...(username !== undefined && { username }),
    ...(secret !== undefined && { password: secret }),
    ...(encrypted && { tls: await tlsOptions(options) }),
  };
}

function decoded(part: string | undefined): string | undefined {
  return part === undefined || part === '' ? undefined : decodeURIComponent(part);
}

async function tlsOptions(options: RedisOptions): Promise<NonNullable<ClientOptions['tls']>> {
  const [ca, cert, key] = await Promise.all([
    readPem('tlsCaFile', options.tlsCaFile),
    readPem('tlsCertFile', options.tlsCertFile),
    readPem('tlsKeyFile', options.tlsKeyFile),
  ]);
  return {
    rejectUnauthorized: options.tlsVerify,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

async function readPem(option: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ChangeoverError('config', `Cannot read the ${option}: ${messageOf(error)}`, { cause: error });
  }
}
