/** More levels than any agent needs, and few enough for all that walks through one by calling itself. */
export const MAX_LEVELS = 500;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: readonly number[] = [0x7b, 0x5b];
const CLOSING: readonly number[] = [0x7d, 0x5d];

/** Whether JSON text is nested deeper. Of text that is no JSON it says anything. */
export function isTooDeep(json: Buffer): boolean {
  return mayBeTooDeep(json) && levelsOf(json) > MAX_LEVELS;
}

/** Nearly every agent has few objects and lists in all: those are found fast. */
function mayBeTooDeep(json: Buffer): boolean {
  let left = MAX_LEVELS;
  for (const bracket of OPENING) {
    for (let at = json.indexOf(bracket); at !== -1; at = json.indexOf(bracket, at + 1))
      if (left-- === 0) return true;
  }
  return false;
}

function levelsOf(json: Buffer): number {
  let [level, deepest] = [0, 0];
  let inText = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] ?? 0;
    if (inText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (OPENING.includes(byte)) deepest = Math.max(deepest, ++level);
    else if (CLOSING.includes(byte)) level--;
  }
  return deepest;
}
