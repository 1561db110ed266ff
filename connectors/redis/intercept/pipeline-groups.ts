import type { ChainableCommander, Command, Redis } from 'ioredis';
import type { Layout } from '../layout.ts';
import { type CommandRewriter, keyIn } from './command-rewriter.ts';
import type { Plan } from './plan.ts';

type MakePipeline = Redis['pipeline'];
type Captured = Plan & { readonly type: 'capture' };

/** What we use of a pipeline beside its public side. */
interface Queued {
  readonly _queue: readonly Command[];
}

/** Commands that one call of the script runs at most, and their words: it holds up everybody else. */
const COMMANDS_PER_CALL = 100;
const WORDS_PER_CALL = 10_000;

/**
 * Pipelines of which neighbouring writes become one call of the script: most of the price of a captured write is that of a
 * call. Only neighbours, so that a read still sees the writes before it and none after it.
 */
export function gatherPipelines(make: MakePipeline, rewriter: CommandRewriter, layout: Layout): MakePipeline {
  return (...given) => {
    const pipeline = make(...given);
    const exec = pipeline.exec;
    pipeline.exec = function (this: ChainableCommander, ...rest: Parameters<typeof exec>) {
      gather((pipeline as unknown as Queued)._queue, rewriter, layout);
      return exec.apply(this, rest);
    } as typeof exec;
    return pipeline;
  };
}

/** Done once, or again where ioredis begins a pipeline anew (pipeline-retries.ts). */
function gather(queue: Queued['_queue'], rewriter: CommandRewriter, layout: Layout): void {
  if (queue.some((command) => rewriter.knows(command))) return;
  // The commands of a transaction are answered by its EXEC.
  const begins = (command: Command) => command.inTransaction || command.name.toLowerCase() === 'multi';
  if (rewriter.inTransaction || queue.some(begins)) return;
  let group: Command[] = [];
  let plans: Captured[] = [];
  let words = 0;
  const close = (): void => {
    const [leader, ...followers] = group;
    if (leader !== undefined) rewriter.capture(leader, plans, followers);
    [group, plans, words] = [[], [], 0];
  };
  for (const command of queue) {
    const plan = rewriter.plan(command);
    if (plan.type !== 'capture') {
      close();
      rewriter.settle(command, plan);
      continue;
    }
    const isElsewhere = plans.length > 0 && layout.at(keyIn(plan)) !== layout.at(keyIn(plans[0]));
    if (isElsewhere || group.length >= COMMANDS_PER_CALL || words + plan.item.length > WORDS_PER_CALL)
      close();
    group.push(command);
    plans.push(plan);
    words += plan.item.length;
  }
  close();
  // After a reconnection ioredis sends a pipeline again whose numbers begin at 0 and have no gap.
  let index = 0;
  for (const command of queue) {
    if (rewriter.follows(command)) delete command.pipelineIndex;
    else command.pipelineIndex = index++;
  }
}
