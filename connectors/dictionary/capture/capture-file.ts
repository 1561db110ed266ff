import { readFile } from 'node:fs/promises';
import { ChangeoverError } from '../../../core/errors.ts';
import { isRecord, tryParseJson } from '../../../core/json.ts';
import { isMissing, translated } from '../errors.ts';
import { replaceFile } from '../paths.ts';

/** `<file>.capture`: what operators have said of capture, in whatever process. */
export interface CaptureFile {
  readonly installed: boolean;
  /** Writes that went uncaptured up to here have been made good by a backfill; in µs since 1970. */
  readonly acceptedUs: number;
}

const NOT_INSTALLED: CaptureFile = { installed: false, acceptedUs: 0 };

export async function readCaptureFile(path: string): Promise<CaptureFile> {
  let text: string;
  try {
    text = await translated(`read ${path}`, () => readFile(path, 'utf8'));
  } catch (error) {
    if (isMissing(error)) return NOT_INSTALLED;
    throw error;
  }
  const said = tryParseJson(text);
  if (isRecord(said) && typeof said.installed === 'boolean' && Number.isSafeInteger(said.acceptedUs))
    return said as unknown as CaptureFile;
  throw new ChangeoverError('mismatch', `${path} is not what Changeover writes there.`, {
    hint: 'Move it away and install capture again.',
  });
}

export async function changeCaptureFile(path: string, change: Partial<CaptureFile>): Promise<void> {
  const present = await readCaptureFile(path);
  await translated(`write ${path}`, () => replaceFile(path, JSON.stringify({ ...present, ...change })));
}
