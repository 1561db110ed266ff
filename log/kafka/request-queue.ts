import { createRequire } from 'node:module';

/** What we need to know of kafkajs' network/requestQueue, which it does not publish. */
interface RequestQueue {
  readonly pending: readonly unknown[];
}
type Method = (this: RequestQueue) => void;

const FILE = 'kafkajs/src/network/requestQueue';
const METHOD = 'scheduleCheckPendingRequests';
let isDone = false;

/**
 * kafkajs 2.2.4 looks at the queue of each connection that has answered once every millisecond for ever, by a timer of negative length
 * (of which Node warns) that sets the next one, though nothing waits in it; and where an answer comes after the connection was closed, the timers
 * outlive it and keep the process alive. A look is needed only while something waits: whatever is put into the queue asks for one itself.
 */
export function lookOnlyWhileRequestsWait(): void {
  if (isDone) return;
  isDone = true;
  const { prototype } = createRequire(import.meta.url)(FILE) as { readonly prototype: object };
  const look: unknown = Reflect.get(prototype, METHOD);
  // Another version of kafkajs, which nobody has looked at yet.
  if (typeof look !== 'function') return;
  const onlyIfNeeded: Method = function () {
    if (this.pending.length > 0) Reflect.apply(look, this, []);
  };
  Reflect.set(prototype, METHOD, onlyIfNeeded);
}
