type Method = (this: unknown, ...args: unknown[]) => unknown;

export interface Watch {
  /** Counts a passage; true at the one that was chosen. */
  reached(): boolean;
  /** Does not return. */
  end(): void;
}

/** Replaces a method of a library's class. */
export function wrapMethod(prototype: object, name: string, wrap: (original: Method) => Method): void {
  const original: unknown = Reflect.get(prototype, name);
  if (typeof original !== 'function') throw new Error(`There is no method ${name} to be watched.`);
  Reflect.set(prototype, name, wrap(original as Method));
}

/**
 * Watches a method that answers a promise: at the chosen passage the process ends when it is fulfilled, before anybody
 * who waits for it has heard of it.
 */
export function watchFulfilled(
  prototype: object,
  name: string,
  { reached, end }: Watch,
  isMeant: (args: readonly unknown[]) => boolean = () => true,
): void {
  wrapMethod(prototype, name, (original) => {
    return function (...args) {
      const answer = original.apply(this, args);
      if (!isPromise(answer) || !isMeant(args)) return answer;
      return answer.then((value) => {
        if (reached()) end();
        return value;
      });
    };
  });
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
