/**
 * Loaded into a process before its own program (`node --import`), this wraps functions of the libraries that it uses, and
 * kills the process with SIGKILL at a chosen passage. The product has no hooks of its own.
 */
import { writeFileSync } from 'node:fs';
import { KILL_ORDER_ENV, type KillOrder, type KillPoint } from './kill-plan.ts';

const text = process.env[KILL_ORDER_ENV];
// Whatever this process starts is not meant.
delete process.env[KILL_ORDER_ENV];
if (text !== undefined) await arm(JSON.parse(text) as KillOrder);

async function arm(order: KillOrder): Promise<void> {
  let passages = 0;
  const reached = (point: KillPoint): boolean => point === order.point && ++passages === order.passage;
  const end = (): void => {
    writeFileSync(order.file, order.point);
    // Nothing after this line runs: the signal arrives before the call returns.
    process.kill(process.pid, 'SIGKILL');
  };
  switch (order.point) {
    case 'after-store-commit': {
      const { watchCommits } = await import('./kill-stores.ts');
      return watchCommits({ reached: () => reached('after-store-commit'), end });
    }
    case 'before-publish':
    case 'after-publish': {
      const { watchPublishing } = await import('./kill-publishing.ts');
      return watchPublishing({
        before: () => reached('before-publish') && end(),
        after: () => reached('after-publish') && end(),
      });
    }
    case 'mid-journal':
    case 'before-sync':
    case 'mid-compaction': {
      const { watchFiles } = await import('./kill-files.ts');
      return watchFiles({ reached, end });
    }
    case 'mid-batch': {
      const { watchBatches } = await import('./kill-batches.ts');
      return watchBatches(order.store ?? '', { reached: () => reached('mid-batch'), end });
    }
    case 'before-commit': {
      const { watchOffsetCommits } = await import('./kill-commits.ts');
      return watchOffsetCommits(order.store ?? '', { reached: () => reached('before-commit'), end });
    }
    default:
      order.point satisfies never;
  }
}
