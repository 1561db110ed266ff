import { setTimeout as sleep } from 'node:timers/promises';
import { type Log, lagOf } from '../../log/log.ts';
import { withKafkaLog } from '../../test/support/kafka-log.ts';
import { type RunMember, startRunMember } from '../../test/support/run-member.ts';
import { cpuSeconds, markdownTable, peakResidentMegabytes, whole } from '../measure.ts';
import { publishAll } from '../publish-all.ts';
import { agentChange } from '../sinks/postgres-content.ts';
import { GROUP, makePlace, PARTITIONS, type Place, type ScaleAddresses } from './place.ts';

const COUNTS = [1, 2, 4] as const;
const LOOK_EVERY_MS = 20;
const SETTLE_MS = 2_000;
const SESSION_TIMEOUT_MS = 60_000;

interface Shared {
  readonly seconds: number;
  /** Of each process. */
  readonly cpu: readonly number[];
  readonly megabytes: readonly number[];
  readonly consumed: readonly number[];
}

/** So many processes of `changeover run`, each number of them on the same content. */
export async function benchProcesses(addresses: ScaleAddresses, dir: string, rows: number): Promise<string> {
  const cells: string[][] = [];
  let alone: number | undefined;
  for (const processes of COUNTS) {
    const place = await makePlace(addresses, dir, `${processes}`, SESSION_TIMEOUT_MS);
    const { seconds, cpu, megabytes, consumed } = await share(addresses, place, processes, rows);
    alone ??= seconds;
    const spent = cpu.reduce((sum, each) => sum + each, 0);
    cells.push([
      `${processes}`,
      whole(rows / seconds),
      (alone / seconds).toFixed(2),
      consumed.map((each) => `${Math.round((100 * each) / rows)} %`).join(', '),
      ((spent / rows) * 1e6).toFixed(1),
      `${((100 * spent) / seconds).toFixed(0)} %`,
      whole(Math.max(...megabytes)),
    ]);
  }
  const header = [
    'processes',
    'rows/s',
    'of one',
    'share of each',
    'CPU s per million',
    'CPU',
    'peak MB each',
  ];
  return [
    `${whole(rows)} agents in ${PARTITIONS} partitions into Postgres; all members are there before the first change is applied:`,
    markdownTable(header, cells),
  ].join('\n\n');
}

/** However it ends, none of them is left. */
async function share(
  { kafka }: ScaleAddresses,
  { prefix, configFile }: Place,
  processes: number,
  rows: number,
): Promise<Shared> {
  return withKafkaLog(prefix, { brokers: kafka.brokers, partitions: PARTITIONS }, async (log) => {
    await log.prepare();
    const members: RunMember[] = [];
    try {
      // One after the other: the first makes the schema.
      for (let count = 0; count < processes; count++) {
        const member = await startRunMember(configFile);
        members.push(member);
        await member.joined;
      }
      while ((await log.members(GROUP)) < processes) await sleep(LOOK_EVERY_MS);
      await sleep(SETTLE_MS);
      return await shareAmong(members, log, rows);
    } finally {
      await Promise.all(members.map((member) => member.end()));
    }
  });
}

/** They are stopped, for less than their session, while everything is published: it costs as much as applying does. */
async function shareAmong(members: readonly RunMember[], log: Log, rows: number): Promise<Shared> {
  const used = () => members.map((member) => measured('processor time', member, cpuSeconds));
  const all = (signal: 'SIGSTOP' | 'SIGCONT'): void => {
    for (const { command } of members) command.child.kill(signal);
  };
  all('SIGSTOP');
  await publishAll(log, rows, agentChange);
  const before = used();
  const startedMs = performance.now();
  all('SIGCONT');
  await Promise.race([committed(log), ...members.map(endedTooEarly)]);
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpu = used().map((each, index) => each - (before[index] ?? 0));
  const megabytes = members.map((member) => measured('memory', member, peakResidentMegabytes));
  const consumed = await Promise.all(members.map((member) => member.leave('stopped')));
  return { seconds, cpu, megabytes, consumed };
}

/** One that is gone has used nothing, as far as can be read. */
function measured(what: string, { command }: RunMember, read: (pid: number | undefined) => number): number {
  const value = read(command.child.pid);
  if (!(value > 0)) throw new Error(`The ${what} of the member ${command.child.pid} cannot be read.`);
  return value;
}

/** Nobody would get to the end without it, or it would be somebody else's work. */
async function endedTooEarly({ command }: RunMember): Promise<never> {
  const { code, stderr } = await command.result;
  throw new Error(`A member has ended with ${code} before everything was committed: ${stderr}`);
}

async function committed(log: Log): Promise<void> {
  while ((await log.positions(['agent'], GROUP)).some((position) => lagOf(position) > 0))
    await sleep(LOOK_EVERY_MS);
}
