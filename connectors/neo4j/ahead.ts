/** Asks for the next item while the present one is being worked on: one item ahead, never more. */
export async function* ahead<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (let next = iterator.next(); ; ) {
      const { done, value } = await next;
      if (done === true) return;
      next = iterator.next();
      // Whoever stops before it is awaited must not be told of its failure.
      next.catch(() => {});
      yield value;
    }
  } finally {
    await iterator.return?.();
  }
}
