import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { isRecord, tryParseJson } from '../../../core/json.ts';
import type { SetAsideEntry } from '../../capture.ts';
import type { DictionaryKind } from '../dictionary-kinds.ts';
import { isMissing, translated } from '../errors.ts';
import { replaceFileBy, syncFolder } from '../paths.ts';
import { decodeCaptured } from './captured-entries.ts';

/**
 * `<file>.set-aside`: the entries that the log can never take, one JSON object a line, for people: `id`, `reason`, `key`,
 * and `value`, the change as base64 of what the log would have got. A line that a crash cut off counts for nothing: its
 * entry is still in the outbox.
 *
 * Who drains the outbox appends to it, and an operator may clear entries at the same time, from another process. So
 * clearing appends too: a line with `id` and `cleared`. Of the lines with one id the last one holds. They are taken out of the
 * file by whoever has the right to drain, for only that one may write the file anew.
 */
export interface SetAsideLine {
  readonly id: string;
  readonly reason: string;
  readonly kind: string;
  readonly key: string;
  readonly value: string;
}

type Line = Readonly<Record<string, unknown>> & { readonly id: string };

interface NumberedLine {
  readonly number: number;
  readonly text: string;
  readonly said: Line;
}

/** Lines end at a line feed and nowhere else. */
async function* linesOf(path: string): AsyncGenerator<NumberedLine> {
  let number = 0;
  const asLine = (text: string): readonly NumberedLine[] => {
    number++;
    const said = tryParseJson(text);
    return isRecord(said) && typeof said.id === 'string' ? [{ number, text, said: said as Line }] : [];
  };
  let rest = '';
  try {
    for await (const text of createReadStream(path, { encoding: 'utf8' })) {
      const lines = (rest + String(text)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield* asLine(line);
    }
  } catch (error) {
    if (isMissing(error)) return;
    await translated(`read ${path}`, () => Promise.reject(error));
  }
  yield* asLine(rest);
}

interface Present {
  /** Those that are set aside and not cleared, and in which line. */
  readonly ids: ReadonlyMap<string, number>;
  /** Whether there is anything in the file that no longer holds. */
  readonly hasOld: boolean;
}

async function presentIn(path: string): Promise<Present> {
  const ids = new Map<string, number>();
  let hasOld = false;
  for await (const { number, said } of linesOf(path)) {
    if (said.cleared === true) {
      hasOld = true;
      ids.delete(said.id);
    } else ids.set(said.id, number);
  }
  return { ids, hasOld };
}

export async function setAsideIds(path: string): Promise<ReadonlySet<string>> {
  return new Set((await presentIn(path)).ids.keys());
}

export async function* setAsideEntries(path: string): AsyncGenerator<SetAsideEntry> {
  const { ids: left } = await presentIn(path);
  for await (const { number, said } of linesOf(path)) {
    const { id, reason, kind, key } = said;
    if (left.get(id) !== number) continue;
    yield {
      id,
      kind: textOf(kind),
      key: textOf(key),
      reason: textOf(reason),
      capturedUs: capturedUsOf(said),
    };
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function capturedUsOf({ kind, key, value }: Line): number | null {
  try {
    const bytes = Buffer.from(textOf(value), 'base64');
    return decodeCaptured({ kind: kind as DictionaryKind, key: textOf(key), value: bytes }).capturedAt;
  } catch {
    // It may be here because nobody can read it.
    return null;
  }
}

/** Durable when it resolves. Saying it twice is harmless. */
export async function addSetAside(path: string, folder: string, entry: SetAsideLine): Promise<void> {
  if ((await setAsideIds(path)).has(entry.id)) return;
  await append(path, folder, [JSON.stringify(entry)]);
}

/** Answers how many there were. Durable when it resolves. */
export async function clearSetAside(path: string, folder: string, ids: readonly string[]): Promise<number> {
  const present = await setAsideIds(path);
  const gone = [...new Set(ids)].filter((id) => present.has(id));
  if (gone.length > 0) {
    const lines = gone.map((id) => JSON.stringify({ id, cleared: true }));
    await append(path, folder, lines);
  }
  return gone.length;
}

async function append(path: string, folder: string, lines: readonly string[]): Promise<void> {
  await translated(`write ${path}`, async () => {
    const file = await open(path, 'a');
    try {
      // What a crash has cut off ends here.
      await file.writeFile(`\n${lines.join('\n')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncFolder(folder);
  });
}

/** Takes what was cleared out of the file. Only for who has the right to drain the outbox. */
export async function tidySetAside(path: string, folder: string): Promise<void> {
  const { ids, hasOld } = await presentIn(path);
  if (!hasOld) return;
  await translated(`write ${path}`, async () => {
    if (ids.size > 0) {
      await replaceFileBy(path, async (file) => {
        for await (const { number, text, said } of linesOf(path)) {
          if (ids.get(said.id) === number) await file.writeFile(`${text}\n`);
        }
      });
      return;
    }
    await rm(path, { force: true });
    await syncFolder(folder);
  });
}
