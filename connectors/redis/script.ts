import { createHash } from 'node:crypto';

/**
 * A Lua script. Redis runs one without letting anything else in between, so what it reads and writes is one atomic
 * step; the scripts here stop after a bounded amount of work and answer what they got to.
 */
export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

export function script(lua: string): Script {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
