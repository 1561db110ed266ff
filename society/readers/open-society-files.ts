import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ChangeoverError, systemCodeOf } from '../../core/errors.ts';
import type { Society } from '../society.ts';
import { readDictionaryFile } from './dictionary-file.ts';
import { readEmbeddingsFile } from './embeddings-file.ts';
import type { OnRejected } from './parsed.ts';
import { readRlFile } from './rl-file.ts';

/** Paths of what there is; a kind without a file is empty. */
export interface SocietyFiles {
  readonly dictionary?: string | undefined;
  readonly embeddings?: string | undefined;
  readonly rl?: string | undefined;
}

const NAMES = { dictionary: 'dictionary.json', embeddings: 'embeddings.ndjson', rl: 'rl.ndjson' } as const;

/**
 * A society that is read from files. However often it is walked, each item that cannot be read is reported once.
 * Throws `usage` when a file that was named does not exist.
 */
export async function openSocietyFiles(
  { dictionary, embeddings, rl }: SocietyFiles,
  onRejected: OnRejected,
): Promise<Society> {
  for (const path of [dictionary, embeddings, rl]) {
    if (path !== undefined && !(await isFile(path))) {
      throw new ChangeoverError('usage', `There is no file ${path}.`);
    }
  }
  return {
    expected: {},
    dictionaryFile: dictionary ?? null,
    agents: walkOf(dictionary, readDictionaryFile, onRejected),
    memories: walkOf(embeddings, readEmbeddingsFile, onRejected),
    learning: walkOf(rl, readRlFile, onRejected),
  };
}

/** The files of a society in one folder, plain or compressed. Throws `usage` when one of them is not there. */
export async function societyFilesIn(folder: string): Promise<Required<SocietyFiles>> {
  return {
    dictionary: await findFile(folder, NAMES.dictionary),
    embeddings: await findFile(folder, NAMES.embeddings),
    rl: await findFile(folder, NAMES.rl),
  };
}

async function findFile(folder: string, name: string): Promise<string> {
  for (const path of [join(folder, `${name}.gz`), join(folder, name)]) if (await isFile(path)) return path;
  throw new ChangeoverError('usage', `There is neither ${name}.gz nor ${name} in ${folder}.`, {
    hint: `Put ${Object.values(NAMES).join(', ')} there, or name the files one by one.`,
  });
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

type Reader<T> = (path: string, onRejected: OnRejected) => AsyncIterable<T>;

function walkOf<T>(
  path: string | undefined,
  read: Reader<T>,
  onRejected: OnRejected,
): () => AsyncIterable<T> {
  // Every walk meets the same rejected items in the same order, so counting them tells which were reported before.
  let reported = 0;
  return async function* walk() {
    if (path === undefined) return;
    let met = 0;
    yield* read(path, (item) => {
      if (++met <= reported) return;
      reported = met;
      onRejected(item);
    });
  };
}
