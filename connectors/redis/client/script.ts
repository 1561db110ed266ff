import { createHash } from 'node:crypto';

/**
 * A Lua script. Redis runs one without letting anything else in between, so what it reads and writes is one atomic
 * step, and meanwhile nobody else is answered. The scripts here look between one item and the next whether they have
 * done enough, and answer for those that they got to. What one item takes is little, but for an experience in a list
 * that is not in order (list-lua.ts).
 */
export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

export function script(lua: string): Script {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
