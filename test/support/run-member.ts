import { type RunningCommand, startCli } from './cli.ts';
import type { StormMember } from './rebalance-storm.ts';
import { freeAddress, readMetrics } from './reconfigure.ts';

const STORE = 'target.postgres';

/** A `changeover run` that follows the log into Postgres, as a member of its group. */
export interface RunMember extends StormMember {
  readonly command: RunningCommand;
}

export async function startRunMember(configFile: string): Promise<RunMember> {
  const address = await freeAddress();
  const command = startCli(['--config', configFile, 'run', '--stores', 'postgres'], {
    CHANGEOVER_RUN_METRICS_ADDRESS: address,
  });
  return {
    command,
    joined: command.said('; 0 to go'),
    async leave(how) {
      if (how === 'killed') {
        const metrics = await readMetrics(address).catch(() => new Map<string, number>());
        command.child.kill('SIGKILL');
        await command.result;
        return metrics.get(`changeover_consumed_total{store="${STORE}"}`) ?? 0;
      }
      command.child.kill('SIGTERM');
      const { code, stdout, stderr } = await command.result;
      const [received] = /target\.postgres: ([\d,]+) changes? received/.exec(stdout)?.slice(1) ?? [];
      // Before it could hear a signal, it had done nothing.
      if (code === null && stderr === '') return 0;
      if (code !== 0 && code !== 130) throw new Error(`ended with ${code}: ${stderr}`);
      return Number(received?.replaceAll(',', '') ?? 0);
    },
  };
}
