/** Where redis-server comes from: the machine, or Debian's packages unpacked into the cache without installing them. */
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ChangeoverError } from '../core/errors.ts';
import { downloadFailure } from './failure.ts';
import type { Machine } from './service.ts';
import { OLDEST } from './versions.ts';

const INSTALL = 'apt-get install redis-server';
/** redis-tools holds the binary: `redis-server` and `redis-check-rdb` are one program, told apart by its name. */
const PACKAGES = ['redis-tools', 'libjemalloc2', 'liblzf1'];

export interface RedisProgram {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

export async function findRedis(machine: Machine): Promise<RedisProgram> {
  const installed = machine.programs.find('redis-server');
  if (installed !== undefined) return checked(machine, { command: installed, env: {} });
  const dir = await machine.cache.entry('redis-deb', (empty) => unpackPackages(machine, empty));
  const triplets = await readdir(join(dir, 'usr/lib'));
  const libraries = triplets
    .filter((name) => name.includes('linux'))
    .map((name) => join(dir, 'usr/lib', name));
  return checked(machine, {
    command: join(dir, 'usr/bin/redis-server'),
    env: { LD_LIBRARY_PATH: libraries.join(':') },
  });
}

async function checked(machine: Machine, program: RedisProgram): Promise<RedisProgram> {
  const { output } = await machine.programs.run(program.command, ['--version'], {
    env: { ...machine.programs.env, ...program.env },
  });
  const version = Number(/v=(\d+)/.exec(output)?.[1]);
  if (version >= OLDEST.redis) return program;
  throw new ChangeoverError(
    'not-installed',
    `Redis ${OLDEST.redis} or newer is needed; ${program.command} says: ${output.trim()}`,
    { hint: `Install it: ${INSTALL}` },
  );
}

async function unpackPackages(machine: Machine, dir: string): Promise<void> {
  const { programs } = machine;
  const apt = programs.require('apt-get', 'Downloading Redis (redis-server is not installed)', INSTALL);
  const dpkg = programs.require('dpkg', 'Unpacking Redis (redis-server is not installed)', INSTALL);
  machine.report('downloading Redis');
  const download = () => programs.run(apt, ['download', '-q', ...PACKAGES], { cwd: dir });
  let result = await download();
  if (result.exitCode !== 0 && process.getuid?.() === 0) {
    // A fresh machine has no package lists yet.
    await programs.run(apt, ['update', '-q']);
    result = await download();
  }
  if (result.exitCode !== 0) throw downloadFailure(`Redis (or install it: ${INSTALL})`, result.output);
  for (const file of await readdir(dir)) {
    const unpacked = await programs.run(dpkg, ['-x', file, '.'], { cwd: dir });
    if (unpacked.exitCode !== 0) throw downloadFailure(`Redis package ${file}`, unpacked.output);
  }
  await mkdir(join(dir, 'usr/bin'), { recursive: true });
  await symlink('redis-check-rdb', join(dir, 'usr/bin/redis-server'));
}
