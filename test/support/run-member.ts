import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningCommand, startCli } from './cli.ts';
import type { StormMember } from './rebalance-storm.ts';
import { freeAddress, readMetrics } from './reconfigure.ts';

const STORE = 'target.postgres';
const CONSUMED = `changeover_consumed_total{store="${STORE}"}`;
/** One that has just been started does not answer yet. */
const READABLE_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;

/** A `changeover run` that follows the log into Postgres, as a member of its group. */
export interface RunMember extends StormMember {
  readonly command: RunningCommand;
}

export async function startRunMember(configFile: string): Promise<RunMember> {
  const address = await freeAddress();
  const command = startCli(['--config', configFile, 'run', '--stores', 'postgres'], {
    CHANGEOVER_RUN_METRICS_ADDRESS: address,
  });
  const joined = command.said('; 0 to go');
  // Whoever waits for it hears of it; one that is ended before has nobody who does.
  joined.catch(() => {});
  return {
    command,
    joined,
    async leave(how) {
      if (how === 'killed') {
        const consumed = await consumedBy(address);
        command.child.kill('SIGKILL');
        await command.result;
        return consumed;
      }
      command.child.kill('SIGTERM');
      const { code, stdout, stderr } = await command.result;
      // Before it could hear a signal, it had done nothing.
      if (code === null && stderr === '') return 0;
      if (code !== 0 && code !== 130) throw new Error(`ended with ${code}: ${stderr}`);
      const received = /target\.postgres: ([\d,]+) changes? received/.exec(stdout)?.[1];
      if (received === undefined) throw new Error(`does not say what it has received: ${stdout}${stderr}`);
      return Number(received.replaceAll(',', ''));
    },
    async end() {
      command.child.kill('SIGCONT');
      command.child.kill('SIGKILL');
      await command.result;
    },
  };
}

/** Throws where it cannot be read: nothing is not 0. */
async function consumedBy(address: string): Promise<number> {
  const untilMs = performance.now() + READABLE_WITHIN_MS;
  for (;;) {
    const consumed = await readMetrics(address).then(
      (metrics) => metrics.get(CONSUMED) ?? `no ${CONSUMED} among its metrics`,
      (error: unknown) => error,
    );
    if (typeof consumed === 'number') return consumed;
    if (performance.now() > untilMs)
      throw new Error(
        `A member's metrics on ${address} cannot be read, for ${READABLE_WITHIN_MS / 1_000} s.`,
        {
          cause: consumed,
        },
      );
    await sleep(LOOK_EVERY_MS);
  }
}
