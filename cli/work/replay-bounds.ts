import { readLetters } from '../../consumers/dead-letters/letters.ts';
import { systemClock } from '../../core/clock.ts';
import type { Log } from '../../log/log.ts';
import { readFacts } from '../../producers/backfill/facts.ts';
import { identityFault } from '../../schemas/entity-fault.ts';
import { parseKey } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';
import { FIRST_CAPTURED_VERSION } from '../../schemas/version.ts';
import type { Deployment } from '../deployment.ts';
import { items } from '../output/format.ts';
import { backfillStanding } from './backfill-orders.ts';
import { MARGIN_MS, publishing, type ReplayBound } from './oldest-replay.ts';
import { logBounds, type Purged } from './replay-log.ts';

/** All that may still deliver an older change to a store, and how far back each of it reaches. */
export async function replayBounds(
  deployment: Deployment,
  log: Log,
  purged: Purged,
): Promise<readonly ReplayBound[]> {
  const beingPublished = publishing(systemClock.nowUs(), deployment.config.kafka.deliveryTimeoutMs);
  // In the direction in which changes go, so that none is between two answers: origins and backfills, the log, dead letters.
  const [inOutboxes, backfills] = await Promise.all([
    outboxBounds(deployment, purged),
    standingBackfills(log),
  ]);
  const inLog = await logBounds(deployment, log, purged);
  const inLetters = await letterBounds(log, purged);
  const inBackfills = backfillBounds(backfills, purged, inLog);
  return [...beingPublished, ...inLog, ...inOutboxes, ...inLetters, ...inBackfills];
}

/** What was captured in the origins of these kinds. */
async function outboxBounds(deployment: Deployment, { kinds }: Purged): Promise<readonly ReplayBound[]> {
  const { origins } = deployment.routes;
  const names = new Set(kinds.flatMap((kind) => origins.get(kind) ?? []));
  const bounds = await Promise.all(
    Array.from(names, async (name): Promise<readonly ReplayBound[]> => {
      const { capture } = await deployment.captured(name);
      const { entries, oldestUs } = await capture.status();
      if (entries === 0) return [];
      return [
        {
          part: 'outbox',
          what: `the outbox of legacy.${name} holds ${items(entries, 'entry')}`,
          sinceUs: oldestUs,
          remedy: 'Let the relay publish what waits: `changeover relay --until-empty`.',
        },
      ];
    }),
  );
  return bounds.flat();
}

/**
 * Open letters about keys that the store holds as such tombstones. A letter whose key is alive, or has a newer tombstone than those
 * that are to go, brings nothing back. Of one that cannot be read the version is not known.
 */
async function letterBounds(log: Log, { store, kinds, beforeUs }: Purged): Promise<readonly ReplayBound[]> {
  const letters = (await readLetters(log.deadLetters)).filter(
    ({ sink, kind, key, state }) =>
      state === 'open' && sink === store.name && kinds.includes(kind) && isKey(kind, key),
  );
  const dangerous = [];
  for (const [kind, ofKind] of Map.groupBy(letters, ({ kind }) => kind)) {
    const held = await store.source.get(
      kind,
      ofKind.map(({ key }) => key),
    );
    for (const [index, letter] of ofKind.entries()) {
      const found = held[index];
      if (found === undefined || found.entity !== null || found.version === null) continue;
      if (found.version < beforeUs && (letter.version ?? 0) < found.version) dangerous.push(letter);
    }
  }
  const [first] = dangerous;
  if (first === undefined) return [];
  const versions = dangerous.map(({ version }) => version ?? 0);
  const oldest = Math.min(...versions);
  return [
    {
      part: 'dead-letter',
      what: `${items(dangerous.length, 'dead letter')} could bring back what was deleted, the first is ${first.id}`,
      sinceUs: oldest >= FIRST_CAPTURED_VERSION ? oldest : null,
      remedy: 'Redrive those dead letters, or drop them with a reason.',
    },
  ];
}

/** The key of a record that is no change may be anything; then it is no entity's. */
function isKey(kind: Kind, key: string): boolean {
  try {
    return identityFault(kind, parseKey(kind, key)) === undefined;
  } catch {
    return false;
  }
}

/**
 * What a run has read of an entity that was deleted meanwhile comes behind the delete, under a label that says nothing of when it was read. So
 * a run reaches as far back as it began: one that is under way, and one of which changes count that are in the log.
 */
function backfillBounds(
  { runs, processes, facts }: Backfills,
  { kinds }: Purged,
  inLog: readonly ReplayBound[],
): readonly ReplayBound[] {
  const oldestUs = Math.min(...inLog.map(({ sinceUs }) => sinceUs ?? 0));
  return runs.flatMap(({ generation, status, startedAtUs, stores }): readonly ReplayBound[] => {
    if (!kinds.some((kind) => stores[kind] !== undefined)) return [];
    const isAtWork = processes.some((each) => each.generation === generation);
    const isUnderWay = status === 'running' && (generation === runs.at(-1)?.generation || isAtWork);
    const written = Array.from(facts.values())
      .filter(
        ({ subject }) =>
          subject === `backfill/${generation}` || subject.startsWith(`backfill/${generation}/`),
      )
      .map(({ writtenAt }) => writtenAt);
    const mayBeInLog = Math.max(...written) + MARGIN_MS * 1_000 >= oldestUs;
    if (!isUnderWay && !mayBeInLog) return [];
    const state = isUnderWay ? 'has not finished' : 'has changes among those';
    return [
      {
        part: 'backfill',
        what: `backfill ${generation}, which may have read what was deleted since it began, ${state}`,
        sinceUs: startedAtUs,
        remedy: isUnderWay ? 'Let the backfill finish, or begin a new one (--restart).' : '',
      },
    ];
  });
}

type Backfills = Awaited<ReturnType<typeof standingBackfills>>;

async function standingBackfills(log: Log) {
  const [{ runs }, { processes }, facts] = await Promise.all([
    readFacts(log.control),
    backfillStanding(log),
    log.control.read('backfill/'),
  ]);
  return { runs, processes, facts };
}
