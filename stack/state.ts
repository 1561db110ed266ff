/**
 * What a stack remembers between commands: ports and secrets. Which processes run is not in here; each process
 * records itself (process.ts).
 */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ChangeoverError, systemCodeOf } from '../core/errors.ts';
import { SERVICE_NAMES, type ServiceName } from './addresses.ts';

export const STATE_FILE = 'state.json';
/** What is being written; it is there after a write that was killed. */
export const UNFINISHED_STATE_FILE = `${STATE_FILE}.new`;
const SECRET_BYTES = 18;

// Strict: a file that holds anything else is not ours, and its folder must not be touched.
const serviceState = z.strictObject({
  secret: z.string().min(1),
  ports: z.record(z.string(), z.number().int().positive()),
});

const stackState = z.strictObject({
  format: z.literal(1),
  services: z.partialRecord(z.enum(SERVICE_NAMES), serviceState),
});

export type ServiceState = z.infer<typeof serviceState>;
export type StackState = z.infer<typeof stackState>;

export const EMPTY_STATE: StackState = { format: 1, services: {} };

export function stateFile(dir: string): string {
  return join(dir, STATE_FILE);
}

/** The empty state when there is none yet. */
export async function readState(dir: string): Promise<StackState> {
  const path = stateFile(dir);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return EMPTY_STATE;
    throw error;
  }
  try {
    return stackState.parse(JSON.parse(text));
  } catch (error) {
    throw new ChangeoverError('config', `${path} is not the state file of a stack of this version`, {
      hint: 'Choose another data folder. If a stack was started in this one, `changeover stack down` still stops it; then delete the folder yourself.',
      cause: error,
    });
  }
}

/** Into a folder that is there. Durable when it resolves. Readable by its owner only: it holds passwords. */
export async function writeState(dir: string, state: StackState): Promise<void> {
  const unfinished = join(dir, UNFINISHED_STATE_FILE);
  const file = await open(unfinished, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(state, undefined, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, stateFile(dir));
}

export function withService(state: StackState, name: ServiceName, service: ServiceState): StackState {
  return { ...state, services: { ...state.services, [name]: service } };
}

/** Letters, digits, `-` and `_`: fits into a URL, a configuration file and a quoted string as it is. */
export function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}
