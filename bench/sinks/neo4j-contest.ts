import { cpuSeconds } from '../measure.ts';
import { agentChange, type NodeChange, type TieChange, tieChange } from './neo4j-content.ts';

/** One way to write the same changes, into a label of its own. */
export interface Contender {
  readonly name: string;
  readonly sessions: number;
  nodes(changes: readonly NodeChange[]): Promise<void>;
  relationships(changes: readonly TieChange[]): Promise<void>;
  close(): Promise<void>;
}

export interface Score {
  rows: number;
  seconds: number;
  clientCpu: number;
  serverCpu: number;
}

export const STAGES = ['new nodes', 'updated nodes', 'new relationships', 'updated relationships'] as const;
export type Stage = (typeof STAGES)[number];
export type Scores = ReadonlyMap<Stage, Score>;

export interface Contest {
  readonly rows: number;
  /** Changes in what a pipeline offers at once. */
  readonly window: number;
  readonly serverPid: number | undefined;
}

/**
 * Every contender writes a window before any of them writes the next, the first of one the last of the next, so that whatever
 * slows the machine slows all of them.
 */
export async function contest(
  contenders: readonly Contender[],
  options: Contest,
): Promise<ReadonlyMap<Contender, Scores>> {
  const scores = new Map(contenders.map((contender) => [contender, new Map<Stage, Score>()]));
  for (const [round, stage] of STAGES.entries()) {
    let turn = 0;
    for (let start = 0; start < options.rows; start += options.window) {
      const writers = windowOf(stage, round, start, options);
      for (let offset = 0; offset < contenders.length; offset++) {
        const contender = contenders[(turn + offset) % contenders.length];
        if (contender === undefined) continue;
        const ofStage = scores.get(contender);
        const score = ofStage?.get(stage) ?? { rows: 0, seconds: 0, clientCpu: 0, serverCpu: 0 };
        ofStage?.set(stage, score);
        await measured(score, options.serverPid, () => writers(contender));
      }
      turn++;
    }
  }
  return scores;
}

function windowOf(
  stage: Stage,
  round: number,
  start: number,
  { rows, window }: Contest,
): (contender: Contender) => Promise<number> {
  const indexes = Array.from({ length: Math.min(window, rows - start) }, (_, index) => start + index);
  if (stage === 'new nodes' || stage === 'updated nodes') {
    const changes = indexes.map((index) => agentChange(index, rows, round));
    return async (contender) => contender.nodes(changes).then(() => changes.length);
  }
  const changes = indexes.map((index) => tieChange(index, rows, round));
  return async (contender) => contender.relationships(changes).then(() => changes.length);
}

async function measured(
  score: Score,
  serverPid: number | undefined,
  work: () => Promise<number>,
): Promise<void> {
  const [client, server, startedMs] = [process.cpuUsage(), cpuSeconds(serverPid), performance.now()];
  score.rows += await work();
  score.seconds += (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(client);
  score.clientCpu += (user + system) / 1e6;
  score.serverCpu += cpuSeconds(serverPid) - server;
}
