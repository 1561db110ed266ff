import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import { openSocietyFiles, societyFilesIn } from '../../society/readers/open-society-files.ts';
import type { OnRejected } from '../../society/readers/parsed.ts';
import type { Society } from '../../society/society.ts';

export interface SocietyChoice {
  readonly agents: number;
  readonly seed: number;
  readonly data?: string;
  readonly dictionary?: string;
  readonly embeddings?: string;
  readonly rl?: string;
}

/** Where the demo's society comes from, in words. */
export function describeSociety({ agents, seed, data, ...files }: SocietyChoice): string {
  const named = [data, files.dictionary, files.embeddings, files.rl].filter((path) => path !== undefined);
  return named.length > 0
    ? `the society in ${named.join(', ')}`
    : `a society of ${agents} agents (seed ${seed})`;
}

/** Your own files where you named some, else a generated society. Throws `usage` when a file is not there. */
export async function openDemoSociety(choice: SocietyChoice, onRejected: OnRejected): Promise<Society> {
  const { agents, seed, data, dictionary, embeddings, rl } = choice;
  if (data !== undefined) return openSocietyFiles(await societyFilesIn(data), onRejected);
  if (dictionary ?? embeddings ?? rl) return openSocietyFiles({ dictionary, embeddings, rl }, onRejected);
  return openGeneratedSociety({ agents, seed });
}
