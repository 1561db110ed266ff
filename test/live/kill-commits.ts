import { createRequire } from 'node:module';
import { type Watch, wrapMethod } from './kill-wrap.ts';

interface OffsetCommit {
  readonly groupId: string;
}

/** The moment before a follower's group is told what its store has confirmed. */
export function watchOffsetCommits(store: string, { reached, end }: Watch): void {
  const Broker = createRequire(import.meta.url)('kafkajs/src/broker') as { readonly prototype: object };
  wrapMethod(Broker.prototype, 'offsetCommit', (original) => {
    return function (...args) {
      const { groupId } = args[0] as OffsetCommit;
      if (groupId.endsWith(`.target.${store}`) && reached()) end();
      return original.apply(this, args);
    };
  });
}
