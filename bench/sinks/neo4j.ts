import { auth, driver as openDriver } from 'neo4j-driver';
import { neo4jConnector } from '../../connectors/neo4j/connector.ts';
import { neo4jOptions } from '../../connectors/neo4j/options.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Change } from '../../schemas/change.ts';
import type { Neo4jAddress } from '../../stack/addresses.ts';
import { markdownTable, peakResidentMegabytes, whole } from '../measure.ts';
import { listeningPid } from './listening-pid.ts';
import { type Contender, contest, type Scores, STAGES, type Stage } from './neo4j-contest.ts';
import { benchGraph } from './neo4j-graph.ts';
import { type BatchSizes, rawLoop } from './neo4j-raw.ts';
import type { SinkBenchOptions } from './options.ts';

/** Changes that a pipeline offers at once. */
const WINDOW = 10_000;
const WARM_UP_ROWS = 50_000;
const BATCH_SIZES = [1_000, 2_000, 5_000];
const SESSIONS = [1, 2];

/**
 * Guarded writes into Neo4j: the best of the hand-written loops beside our sink, with one session and with two. A first
 * contest of all loops warms the server and finds the best of them.
 */
export async function benchNeo4j({
  addresses,
  rows,
}: Pick<SinkBenchOptions, 'addresses' | 'rows'>): Promise<string> {
  const address = addresses.neo4j;
  const { url, user, password, database } = address;
  const driver = openDriver(url, auth.basic(user, password));
  const serverPid = listeningPid(Number(new URL(url).port));
  const graph = benchGraph(driver, database);
  const race = (contenders: readonly Contender[], size: number) =>
    contest(contenders, { rows: size, window: WINDOW, serverPid });
  const raw = async (sessions: number, batchSizes: BatchSizes): Promise<Contender> => {
    const label = await graph.label();
    return rawLoop({ driver, database, label, batchSizes, sessions });
  };

  try {
    const loops: Contender[] = [];
    for (const sessions of SESSIONS) {
      for (const size of BATCH_SIZES) loops.push(await raw(sessions, { nodes: size, relationships: size }));
    }
    const warmUp = await openOurs(address, graph.newLabel(), 2);
    const trial = await race([...loops, warmUp], Math.min(rows, WARM_UP_ROWS));
    await warmUp.close();
    await graph.clear();

    const contenders: Contender[] = [];
    for (const sessions of SESSIONS) {
      contenders.push(await raw(sessions, bestSizes(trial, sessions)));
      contenders.push(await openOurs(address, graph.newLabel(), sessions));
    }
    const scores = await race(contenders, rows);
    for (const contender of contenders) await contender.close();
    const megabytes = whole(peakResidentMegabytes(process.pid));
    return `${scoreTable(scores)}\n\nPeak resident set of the client: ${megabytes} MB.`;
  } finally {
    await graph.remove();
    await driver.close();
  }
}

async function openOurs(address: Neo4jAddress, label: string, sessions: number): Promise<Contender> {
  const labels = { agent: label, memory: `${label}Memory` };
  const store = await neo4jConnector.open(neo4jOptions.parse({ ...address, labels, sessions }), {
    name: 'target.neo4j',
    role: 'target',
    kinds: ['agent', 'relationship'],
    logger: silentLogger,
    clock: systemClock,
  });
  await store.prepare();
  const apply = async (changes: readonly Change[]): Promise<void> => {
    const lost = (await store.sink.apply(changes)).find(({ status }) => status !== 'applied');
    if (lost !== undefined) throw new Error(`A change was ${lost.status}.`);
  };
  return {
    name: 'our sink',
    sessions,
    nodes: apply,
    relationships: apply,
    close: () => store.close(),
  };
}

/** The sizes with which the loops of so many sessions were fastest, new and updated taken together. */
function bestSizes(trial: ReadonlyMap<Contender, Scores>, sessions: number): BatchSizes {
  const ofSessions = [...trial.values()].slice(
    SESSIONS.indexOf(sessions) * BATCH_SIZES.length,
    (SESSIONS.indexOf(sessions) + 1) * BATCH_SIZES.length,
  );
  const best = (...stages: readonly Stage[]): number => {
    const seconds = ofSessions.map((scores) =>
      stages.reduce((sum, stage) => sum + (scores.get(stage)?.seconds ?? 0), 0),
    );
    return BATCH_SIZES[seconds.indexOf(Math.min(...seconds))] ?? 0;
  };
  return {
    nodes: best('new nodes', 'updated nodes'),
    relationships: best('new relationships', 'updated relationships'),
  };
}

function scoreTable(scores: ReadonlyMap<Contender, Scores>): string {
  const raws = new Map<number, Scores>();
  const lines: (readonly (string | number)[])[] = [];
  for (const [{ name, sessions }, ofContender] of scores) {
    // The loop comes before the sink that is measured by it.
    const raw = raws.get(sessions) ?? ofContender;
    raws.set(sessions, raw);
    for (const stage of STAGES) {
      const [score, limit] = [ofContender.get(stage), raw.get(stage)];
      if (score === undefined || limit === undefined) continue;
      const perMillion = (seconds: number): string => ((seconds / score.rows) * 1e6).toFixed(1);
      lines.push([
        stage,
        sessions,
        name,
        whole(score.rows / score.seconds),
        (limit.seconds / score.seconds).toFixed(2),
        perMillion(score.clientCpu),
        perMillion(score.serverCpu),
      ]);
    }
  }
  const header = ['what', 'sessions', 'who', 'rows/s', 'of raw', 'client CPU s/M', 'server CPU s/M'];
  return markdownTable(header, lines);
}
