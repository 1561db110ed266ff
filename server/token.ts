import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ChangeoverError, messageOf } from '../core/errors.ts';

const MIN_CHARACTERS = 16;

interface TokenOptions {
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/** The token that requests must carry; undefined where none is configured. Throws `config` for a file without a good one. */
export async function readToken({ token, tokenFile }: TokenOptions): Promise<string | undefined> {
  if (tokenFile === undefined) return token;
  let text: string;
  try {
    text = (await readFile(tokenFile, 'utf8')).trim();
  } catch (error) {
    throw new ChangeoverError('config', `Cannot read server.tokenFile: ${messageOf(error)}`, {
      hint: 'Name a file that this user can read.',
      cause: error,
    });
  }
  // Never the text itself: it could be another secret.
  if (text.length >= MIN_CHARACTERS) return text;
  throw new ChangeoverError(
    'config',
    `server.tokenFile: its token has fewer than ${MIN_CHARACTERS} characters`,
    {
      hint: 'Make one with: openssl rand -hex 32',
    },
  );
}

export type TokenCheck = 'ok' | 'missing' | 'wrong';

/** Checks the Authorization header. Digests are compared, in constant time, so that not even a length is told. */
export function createTokenCheck(token: string): (authorization: string | undefined) => TokenCheck {
  const expected = digest(token);
  return (authorization = '') => {
    const [, given] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
    if (given === undefined) return 'missing';
    return timingSafeEqual(digest(given), expected) ? 'ok' : 'wrong';
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
