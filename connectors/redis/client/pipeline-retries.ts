import type { Command } from 'ioredis';

/**
 * A pipeline of a cluster that met a slot on its way to another node is sent again by ioredis, which begins each command
 * anew for it. What was made of the command is undone then, and made again when it is sent.
 */
export function onRetry(command: Command, undo: () => void): void {
  const begin = Reflect.get(command, 'initPromise') as () => void;
  Reflect.set(command, 'initPromise', () => {
    Reflect.deleteProperty(command, 'initPromise');
    begin.call(command);
    undo();
  });
}
