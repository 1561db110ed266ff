import { BlockList, isIP } from 'node:net';
import { ChangeoverError } from '../core/errors.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether only this machine can reach that name or address. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Throws `config` where everybody who reaches the server could write. */
export function requireTokenBeyondLoopback(host: string, token: string | undefined): void {
  if (token !== undefined || isLoopback(host)) return;
  throw new ChangeoverError(
    'config',
    `server.host is ${host}, which others can reach, and there is no token: anybody could write`,
    { hint: 'Set server.tokenFile (or server.token), or leave server.host at 127.0.0.1.' },
  );
}

/**
 * Whether a request without a token may be what it says. A page in a browser on this machine can reach a loopback server,
 * by a name that was made to lead here: then the Host header is that name, or there is an Origin.
 */
export function isFromThisMachine(headers: {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}): boolean {
  if (headers.origin !== undefined) return false;
  const { host } = headers;
  // HTTP/1.0 has none, and browsers do not speak it.
  if (host === undefined) return true;
  return isLoopback(host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1'));
}
