import { open } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { Session } from 'neo4j-driver-core';
import { pathOf } from './kill-files.ts';
import { isPromise, type Watch, watchFulfilled, wrapMethod } from './kill-wrap.ts';

const REDIS_COMMITS: readonly string[] = ['evalsha', 'eval', 'fcall', 'exec'];

/** The moment at which a store has said "done" to a writer's process, and nobody in it knows yet. */
export async function watchCommits(watch: Watch): Promise<void> {
  wrapMethod(Redis.prototype, 'sendCommand', (original) => {
    return function (...args) {
      const answer = original.apply(this, args);
      const name = String((args[0] as { readonly name?: unknown }).name);
      // Not its own `then`: ioredis hands out this very promise, and whoever was first hears first.
      if (isPromise(answer) && REDIS_COMMITS.includes(name)) {
        answer.then(
          () => watch.reached() && watch.end(),
          () => {},
        );
      }
      return answer;
    };
  });
  watchFulfilled(Session.prototype, 'executeWrite', watch);
  const nothing = await open('/dev/null');
  try {
    wrapMethod(Object.getPrototypeOf(nothing) as object, 'datasync', (original) => {
      return async function (this: unknown) {
        await original.apply(this, []);
        if (pathOf(this).endsWith('.journal') && watch.reached()) watch.end();
      };
    });
  } finally {
    await nothing.close();
  }
}
