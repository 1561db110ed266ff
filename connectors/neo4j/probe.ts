import { messageOf } from '../../core/errors.ts';
import type { Capture } from '../capture.ts';
import type { Probe, ProbeResult } from '../connector.ts';

import { readMarks } from './mark.ts';
import { hasIdIndex, labelsOf, missingRules, type SchemaScope } from './schema.ts';
import { isSupported, serverVersion } from './server-version.ts';

type Check = () => Promise<Omit<ProbeResult, 'check'>>;

/** `capture` where the writes of this store are to be captured. */
export function openProbe(scope: SchemaScope, capture?: Capture): Probe {
  const checks: readonly (readonly [string, Check])[] = [
    ['version', () => checkVersion(scope)],
    ['writable', () => checkWritable(scope)],
    ['role', () => checkRole(scope)],
    ['constraints', () => checkConstraints(scope)],
    ['index on id', () => checkIndex(scope)],
    ...(capture === undefined ? [] : [['capture', () => checkCapture(capture)] as const]),
  ];
  return {
    async check() {
      const results: ProbeResult[] = [];
      for (const [check, look] of checks) results.push({ check, ...(await orFailure(look)) });
      return results;
    },
  };
}

async function orFailure(look: Check): Promise<Omit<ProbeResult, 'check'>> {
  try {
    return await look();
  } catch (error) {
    const hint = error instanceof Error && 'hint' in error ? error.hint : undefined;
    return { ok: false, detail: messageOf(error), ...(typeof hint === 'string' ? { fix: hint } : {}) };
  }
}

async function checkVersion({ client }: SchemaScope) {
  const version = await serverVersion(client);
  const detail = `${client.where}: Neo4j ${version}`;
  return isSupported(version)
    ? { ok: true, detail }
    : { ok: false, detail, fix: 'Upgrade to 5.26 or newer.' };
}

async function checkWritable({ client, context }: SchemaScope) {
  const [row] = await client.runAlone('SHOW DATABASES YIELD name, access, currentStatus WHERE name = $name', {
    name: client.database,
  });
  const [access, status] = [row?.get('access'), row?.get('currentStatus')];
  const detail = `database ${client.database} is ${status ?? 'not there'}, ${access ?? 'no access'}`;
  if (status === 'online' && (access === 'read-write' || context.role === 'legacy'))
    return { ok: true, detail };
  return { ok: false, detail, fix: 'Start the database and make it writable.' };
}

async function checkRole(scope: SchemaScope) {
  const { client, context } = scope;
  const labels = labelsOf(scope);
  const marks = await readMarks(client, labels);
  const other = marks.find((mark) => mark.role !== context.role);
  if (other !== undefined) {
    return {
      ok: false,
      detail: `the label ${other.label} belongs to ${other.store}, in the role ${other.role}`,
      fix: 'Give the two roles labels or databases of their own.',
    };
  }
  const detail = marks.length === 0 ? 'not marked yet' : `marked as ${context.role}`;
  return { ok: true, detail: `${labels.join(', ')}: ${detail}` };
}

/** A legacy graph that is only read needs no constraints; it needs them before it follows the log. */
async function checkConstraints(scope: SchemaScope) {
  const missing = await missingRules(scope);
  if (missing.length === 0) return { ok: true, detail: 'all there' };
  const detail = `no uniqueness constraint on ${missing.join(', ')}`;
  if (scope.context.role === 'legacy') return { ok: true, detail: `${detail}: can be read, not yet written` };
  return { ok: false, detail, fix: 'Let the store be prepared.' };
}

async function checkIndex(scope: SchemaScope) {
  for (const label of labelsOf(scope)) {
    if (await hasIdIndex(scope.client, label)) continue;
    return {
      ok: false,
      detail: `no range index on :${label}(id): every stretch of a scan reads and sorts the whole label`,
      fix: `Let the store be prepared, or run CREATE CONSTRAINT FOR (n:${label}) REQUIRE n.id IS UNIQUE.`,
    };
  }
  return { ok: true, detail: labelsOf(scope).join(', ') };
}

async function checkCapture(capture: Capture) {
  const { active, detail, entries } = await capture.status();
  if (active) return { ok: true, detail: `${detail}; ${entries} entries wait for the log` };
  return { ok: false, detail, fix: 'Run changeover capture install neo4j.' };
}
