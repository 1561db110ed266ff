/**
 * Milvus as the wheel on PyPI brings it: a Go program, its libraries and a configuration template, each file compressed.
 * Only the archive is used, not the Python package; Python is needed once, to download and unpack it.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ChangeoverError } from '../core/errors.ts';
import { downloadFailure } from './failure.ts';
import type { Machine } from './service.ts';
import { VERSIONS } from './versions.ts';

const OTHER_WAYS =
  'Use docker-compose.yml instead, or point changeover.yaml at a Milvus that runs elsewhere.';

/** Unpacks `data/` of the wheel: `bin/*` decompressed, everything else as it is. */
const UNPACK = `
import glob, lzma, os, shutil, zipfile
with zipfile.ZipFile(glob.glob('*.whl')[0]) as wheel:
    for name in wheel.namelist():
        if not name.startswith('milvus/data/') or name.endswith('/'):
            continue
        path = name[len('milvus/data/'):]
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        with wheel.open(name) as packed:
            if path.endswith('.lzma'):
                path = path[:-len('.lzma')]
                packed = lzma.open(packed)
            with open(path, 'wb') as out:
                shutil.copyfileobj(packed, out, 1 << 20)
        os.chmod(path, 0o755)
`;

export interface MilvusProgram {
  readonly command: string;
  readonly libraryPath: string;
  readonly configTemplate: string;
}

export async function findMilvus(machine: Machine): Promise<MilvusProgram> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new ChangeoverError(
      'not-installed',
      `Milvus ${VERSIONS.milvus} is packaged for x86-64 Linux only`,
      {
        hint: OTHER_WAYS,
      },
    );
  }
  const dir = await machine.cache.entry(`milvus-${VERSIONS.milvus}`, (empty) => download(machine, empty));
  return {
    command: join(dir, 'bin/milvus'),
    libraryPath: join(dir, 'bin'),
    configTemplate: join(dir, 'config.yaml.template'),
  };
}

async function download(machine: Machine, dir: string): Promise<void> {
  const { programs } = machine;
  const what = `Milvus ${VERSIONS.milvus}`;
  const install = 'apt-get install python3 python3-pip';
  const python = programs.require('python3', `Downloading ${what}`, install);
  const pip = await programs.run(python, ['-m', 'pip', '--version']);
  if (pip.exitCode !== 0) {
    throw new ChangeoverError('not-installed', `Downloading ${what} needs pip, which is not installed`, {
      hint: `Install it: ${install}`,
    });
  }
  machine.report(`downloading ${what}`);
  const args = [
    '-m',
    'pip',
    'download',
    '-q',
    '--no-deps',
    '--only-binary=:all:',
    `milvus==${VERSIONS.milvus}`,
  ];
  const downloaded = await programs.run(python, args, { cwd: dir });
  if (downloaded.exitCode !== 0) throw downloadFailure(what, downloaded.output);
  machine.report(`unpacking ${what}`);
  const unpacked = await programs.run(python, ['-c', UNPACK], { cwd: dir });
  if (unpacked.exitCode !== 0) throw downloadFailure(what, unpacked.output);
  await programs.run('/bin/sh', ['-c', 'rm -f ./*.whl'], { cwd: dir });
  await rm(join(dir, '__pycache__'), { recursive: true, force: true });
}
