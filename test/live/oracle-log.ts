import { FIRST_CAPTURED_VERSION } from '../../schemas/version.ts';
import type { LogEntry, Violation, ViolationName, Write } from './evidence.ts';
import { isCaptured, type KeyEvidence } from './oracle-keys.ts';

/** The log has every write that was acknowledged, in order, once, and nothing that nobody asked for. */
export function* logViolations(evidence: KeyEvidence): Generator<Violation> {
  const { kind, key } = evidence;
  const violation = (name: ViolationName, detail: string): Violation => ({ name, kind, key, detail });
  for (const detail of outOfOrder(evidence.log)) yield violation('disordered', detail);
  for (const detail of missing(evidence)) yield violation('lost', detail);
  for (const detail of unasked(evidence)) yield violation('invented', detail);
  for (const detail of twice(evidence)) yield violation('doubled', detail);
  for (const detail of wrongLabels(evidence)) yield violation('invented', detail);
  for (const detail of uncaptured(evidence)) yield violation('lost', detail);
}

/** Versions of captured changes increase along the log, but for the same change once more. */
function* outOfOrder(log: readonly LogEntry[]): Generator<string> {
  const seen = new Map<number, LogEntry>();
  let greatest = 0;
  for (const entry of log) {
    if (!isCaptured(entry)) continue;
    const { version, eventId, content, offset } = entry;
    const known = seen.get(version);
    if (known !== undefined) {
      if (known.eventId !== eventId || known.content !== content)
        yield `offsets ${known.offset} and ${offset} say different things of version ${version}`;
      continue;
    }
    if (version < greatest) yield `version ${version} at offset ${offset} comes after version ${greatest}`;
    seen.set(version, entry);
    greatest = Math.max(greatest, version);
  }
}

function* missing({ writes, captured }: KeyEvidence): Generator<string> {
  const entries = [...captured.values()];
  const claimed = new Set<number>();
  let unnamedDeletes = 0;
  for (const write of writes) {
    if (write.acknowledgedAt === null) continue;
    const { version, content, token } = write;
    if (version === null && content === null) {
      unnamedDeletes++;
      continue;
    }
    const entry = version === null ? entries.find((each) => each.content === content) : captured.get(version);
    if (entry === undefined) yield `acknowledged write ${token} (version ${version}) is not in the log`;
    else if (entry.content !== content)
      yield `the log says something else of version ${version} than write ${token} was told`;
    else claimed.add(entry.version);
  }
  const deletes = entries.filter((entry) => entry.content === null && !claimed.has(entry.version));
  if (deletes.length < unnamedDeletes)
    yield `${unnamedDeletes} deletes were acknowledged without a version, but the log has only ${deletes.length}`;
}

/** Every captured state stems from a write that somebody asked for, or takes a relationship along with its agent. */
function* unasked({ writes, captured, endDeletes }: KeyEvidence): Generator<string> {
  const contents = new Set(writes.filter((write) => !write.rejected).map(({ content }) => content));
  const told = new Set(writes.map(({ version }) => version));
  const unexplained: LogEntry[] = [];
  for (const entry of captured.values()) {
    if (entry.content === null) {
      if (!told.has(entry.version)) unexplained.push(entry);
    } else if (!contents.has(entry.content))
      yield `nobody asked for what the log has at offset ${entry.offset}: ${entry.content}`;
  }
  const possible = writes.filter((write) => isOpenDelete(write)).length + endDeletes.length;
  if (unexplained.length > possible)
    yield `the log has ${unexplained.length} deletes that nobody was told of, but only ${possible} could be: ` +
      `versions ${unexplained.map(({ version }) => version).join(', ')}`;
}

/** A delete of which no version is known: it may have happened, under any. */
function isOpenDelete({ content, version, rejected }: Write): boolean {
  return content === null && version === null && !rejected;
}

function* twice({ captured }: KeyEvidence): Generator<string> {
  const versions = new Map<string, number>();
  for (const { version, content, eventId } of captured.values()) {
    for (const mark of [`event ${eventId}`, ...(content === null ? [] : [content])]) {
      const other = versions.get(mark);
      if (other !== undefined && other !== version)
        yield `one write is in the log under versions ${other} and ${version}: ${mark}`;
      versions.set(mark, version);
    }
  }
}

/**
 * What a backfill read: never content that is older than its label, and nothing that nobody wrote. (Newer than its
 * label it may be: what made it so is in the log too, with a greater version.)
 */
function* wrongLabels({ log, initial, captured, writes }: KeyEvidence): Generator<string> {
  const versionOf = versionsByContent(captured);
  const asked = new Set(writes.map(({ content }) => content));
  for (const { path, offset, version, content } of log) {
    if (path !== 'backfill' || content === null) continue;
    if (content === initial) {
      if (version >= FIRST_CAPTURED_VERSION)
        yield `a backfill labels the first state ${version} (offset ${offset})`;
      continue;
    }
    const actual = versionOf.get(content);
    if (!asked.has(content)) yield `a backfill read what nobody wrote (offset ${offset}): ${content}`;
    if (actual !== undefined && actual < version)
      yield `a backfill labels the state of version ${actual} with ${version} (offset ${offset})`;
  }
}

/** What a backfill saw in the store was committed there, so the log has to have it as a captured change too. */
function* uncaptured({ log, initial, captured, writes }: KeyEvidence): Generator<string> {
  const versionOf = versionsByContent(captured);
  for (const { path, offset, content } of log) {
    if (path !== 'backfill' || content === null || content === initial || versionOf.has(content)) continue;
    const write = writes.find((each) => each.content === content);
    if (write !== undefined)
      yield `a backfill saw write ${write.token} in the store (offset ${offset}), and its change is not in the log`;
  }
}

function versionsByContent(captured: KeyEvidence['captured']): ReadonlyMap<string, number> {
  const versions = new Map<string, number>();
  for (const { version, content } of captured.values()) if (content !== null) versions.set(content, version);
  return versions;
}
