import { messageOf } from '../core/errors.ts';
import { Problem } from './problem.ts';
import { parseStrictJson, type StrictJson } from './strict-json.ts';

/** A body that was read: JSON, or nothing. */
export type Body = StrictJson | undefined;

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Throws 400 for bytes that are no UTF-8 and text that is no JSON. */
export function readBody(bytes: Buffer): Body {
  if (bytes.byteLength === 0) return undefined;
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new Problem(400, 'The body is not UTF-8.');
  }
  try {
    return parseStrictJson(text);
  } catch (error) {
    throw new Problem(400, `The body is not JSON: ${messageOf(error).slice(0, 200)}`);
  }
}
