import { readFile } from 'node:fs/promises';
import { ChangeoverError, messageOf } from './errors.ts';

interface SecretOptions {
  readonly password?: string | undefined;
  readonly passwordFile?: string | undefined;
}

/**
 * The secret of a section that has `password` and `passwordFile`; undefined where neither is given. A file wins, so
 * that one mounted by the platform replaces what a configuration says. The newline that editors add is no part of it.
 */
export async function readSecret(options: SecretOptions): Promise<string | undefined> {
  if (options.passwordFile === undefined) return options.password;
  try {
    return (await readFile(options.passwordFile, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    throw new ChangeoverError('config', `Cannot read the passwordFile: ${messageOf(error)}`, {
      hint: 'Name a file that this user can read, or set the password by its environment variable.',
      cause: error,
    });
  }
}
