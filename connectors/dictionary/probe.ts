import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { ChangeoverError, messageOf } from '../../core/errors.ts';
import type { Probe, ProbeResult, Role } from '../connector.ts';
import type { DictionaryClient } from './client.ts';
import { readHolder, stateOf } from './journal/lock.ts';
import type { DictionaryOptions } from './options.ts';
import { isWritable, lookAt, readMark } from './schema.ts';

interface ProbeOptions {
  readonly role: Role;
  readonly settings: DictionaryOptions;
}

type Answer = Omit<ProbeResult, 'check'>;

export function dictionaryProbe(client: DictionaryClient, options: ProbeOptions): Probe {
  const checks: Readonly<Record<string, () => Promise<Answer>>> = {
    file: () => file(client),
    mark: () => mark(client, options),
    permission: () => permission(client, options),
    journal: () => journal(client),
    owner: () => owner(client),
    space: () => space(client, options),
  };
  return {
    check: () =>
      Promise.all(
        Object.entries(checks).map(async ([check, ask]) => {
          try {
            return { check, ...(await ask()) };
          } catch (error) {
            const fix = error instanceof ChangeoverError ? error.hint : undefined;
            return { check, ok: false, detail: messageOf(error), ...(fix === undefined ? {} : { fix }) };
          }
        }),
      ),
  };
}

async function file({ paths }: DictionaryClient): Promise<Answer> {
  const { bytes, packed } = await lookAt(paths, { mayBeMissing: false });
  return { ok: true, detail: `${paths.base}, ${bytes} bytes${packed ? ', gzip' : ''}` };
}

async function mark({ paths }: DictionaryClient, { role }: ProbeOptions): Promise<Answer> {
  const found = await readMark(paths);
  if (found?.role === role) return { ok: true, detail: `belongs to ${found.name} (${found.role})` };
  if (found === undefined && role === 'legacy') return { ok: true, detail: 'not marked yet; it can be read' };
  return {
    ok: false,
    detail: found === undefined ? 'not prepared yet' : `belongs to ${found.name} (${found.role})`,
    fix: found === undefined ? 'Prepare the target.' : 'Give each role a file of its own.',
  };
}

async function permission({ paths }: DictionaryClient, { role }: ProbeOptions): Promise<Answer> {
  if (await isWritable(paths)) return { ok: true, detail: `${paths.folder} can be written to` };
  if (role === 'legacy') return { ok: true, detail: 'read only: it can be a source, but follow nothing' };
  return {
    ok: false,
    detail: `${paths.folder} cannot be written to`,
    fix: 'Give the user that runs changeover the right to write there.',
  };
}

async function journal(client: DictionaryClient): Promise<Answer> {
  return client.withSnapshot(async ({ journal: found, overlay }) => {
    if (found === undefined) return { ok: true, detail: 'none: the file is all there is' };
    const cut =
      client.cutBytes === 0 ? '' : `; ${client.cutBytes} bytes of an unfinished write were cut after a crash`;
    return { ok: true, detail: `${overlay.entries} keys in ${found.end} bytes${cut}` };
  });
}

async function owner({ paths, isOwner }: DictionaryClient): Promise<Answer> {
  if (isOwner) return { ok: true, detail: 'this process writes it' };
  const holder = await readHolder(paths.lock);
  if (holder === undefined) return { ok: true, detail: 'nobody writes it' };
  return { ok: true, detail: `process ${holder.pid} on ${holder.host} writes it (${stateOf(holder)})` };
}

/** A compaction needs room for the file and its versions once more; a packed file is unpacked to be read. */
async function space({ paths }: DictionaryClient, { settings }: ProbeOptions): Promise<Answer> {
  const { bytes, packed } = await lookAt(paths, { mayBeMissing: true });
  const UNPACKED = 10;
  const folder = packed ? (settings.temporaryFolder ?? tmpdir()) : paths.folder;
  const wanted = (packed ? UNPACKED : 2) * bytes;
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= wanted) return { ok: true, detail: `${free} bytes free in ${folder}` };
  return {
    ok: false,
    detail: `${free} bytes free in ${folder}, ${wanted} wanted`,
    fix: 'Make room on that disk.',
  };
}
