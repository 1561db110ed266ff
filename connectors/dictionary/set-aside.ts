import { open, readFile } from 'node:fs/promises';
import { tryParseJson } from '../../core/json.ts';
import { isMissing, translated } from './errors.ts';
import { syncFolder } from './paths.ts';

/**
 * `<file>.set-aside`: the entries that the log can never take, one JSON object a line, for people: `id`, `reason`, `key`,
 * and `value`, the change as base64 of what the log would have got. A line that a crash cut off counts for nothing: its
 * entry is still in the outbox.
 */
export interface SetAsideEntry {
  readonly id: string;
  readonly reason: string;
  readonly kind: string;
  readonly key: string;
  readonly value: string;
}

export async function setAsideIds(path: string): Promise<ReadonlySet<string>> {
  let text: string;
  try {
    text = await translated(`read ${path}`, () => readFile(path, 'utf8'));
  } catch (error) {
    if (isMissing(error)) return new Set();
    throw error;
  }
  const lines = text.split('\n').map((line) => tryParseJson(line) as { readonly id?: unknown } | undefined);
  return new Set(lines.flatMap((line) => (typeof line?.id === 'string' ? [line.id] : [])));
}

/** Durable when it resolves. Saying it twice is harmless. */
export async function addSetAside(path: string, folder: string, entry: SetAsideEntry): Promise<void> {
  if ((await setAsideIds(path)).has(entry.id)) return;
  await translated(`write ${path}`, async () => {
    const file = await open(path, 'a');
    try {
      // What a crash has cut off ends here.
      await file.writeFile(`\n${JSON.stringify(entry)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncFolder(folder);
  });
}
