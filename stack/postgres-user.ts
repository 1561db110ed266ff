/**
 * PostgreSQL refuses to run as root. When root starts the stack, it runs as an ordinary user: preferably inside a user
 * namespace, in which root's own files appear as that user's, so that the data folder may be anywhere; where such namespaces
 * are not permitted, as the real user, who must be able to reach the data folder.
 */
import { readFileSync } from 'node:fs';
import { ChangeoverError } from '../core/errors.ts';
import type { Programs } from './programs.ts';

export interface OrdinaryUser {
  /** To be put before the command. */
  readonly command: readonly string[];
  /** Gives a file or folder to the user. */
  own(path: string): Promise<void>;
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** @param dir what that user is to write in; all of it is given to that user */
export async function ordinaryUser(programs: Programs, dir: string): Promise<OrdinaryUser> {
  if (process.getuid?.() !== 0) return { command: [], own: async () => undefined };
  const account = findAccount();
  const ids = `${account.uid}:${account.gid}`;
  const ways = [
    {
      owner: '0:0',
      command: ['unshare', '--user', `--map-user=${account.uid}`, `--map-group=${account.gid}`],
    },
    {
      owner: ids,
      command: ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'],
    },
  ];
  for (const { owner, command } of ways) {
    await chown(programs, dir, owner);
    if (await succeeds(programs, [...command, 'test', '-w', dir])) {
      return { command, own: (path) => chown(programs, path, owner) };
    }
  }
  throw new ChangeoverError(
    'config',
    `postgres does not run as root, and the user ${account.name} cannot reach its data folder ${dir}`,
    {
      hint: 'Choose a data folder that every user can reach (for instance under /var/tmp), or run as an ordinary user.',
    },
  );
}

/** `postgres` when there is such a user, else the first one that is not root. */
function findAccount(): Account {
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    // 65534 stands for "unknown" inside a namespace.
    .filter(({ uid }) => uid > 0 && uid !== 65_534);
  const account = accounts.find(({ name }) => name === 'postgres') ?? accounts[0];
  if (account !== undefined) return account;
  throw new ChangeoverError('config', 'postgres does not run as root, and this machine has no other user', {
    hint: 'Add one: useradd --system postgres',
  });
}

async function succeeds(programs: Programs, [command = '', ...args]: readonly string[]): Promise<boolean> {
  const path = programs.find(command);
  if (path === undefined) return false;
  return (await programs.run(path, args)).exitCode === 0;
}

async function chown(programs: Programs, path: string, owner: string): Promise<void> {
  const command = programs.require('chown', 'Starting postgres as root', 'apt-get install coreutils');
  await programs.run(command, ['-R', owner, path]);
}
