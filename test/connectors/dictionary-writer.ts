/**
 * A process that writes a dictionary, for tests that kill it:
 *
 *     node dictionary-writer.ts <file> <compactAfterEntries> <first version>
 *
 * Prints a line for each batch that was acknowledged. Without versions it only takes the lock and says so.
 */
import { upsert } from '../support/changes.ts';
import { batchOf } from './dictionary-batches.ts';
import { agent, openDictionary } from './dictionary-support.ts';

const [, , file = '', compactAfterEntries = '100000', first] = process.argv;
const store = await openDictionary(file, { compactAfterEntries: Number(compactAfterEntries) });
if (first === undefined) {
  await store.sink.apply([upsert('agent', agent('held'), 1)]);
  process.stdout.write('owner\n');
  setInterval(() => {}, 1_000);
} else {
  for (let version = Number(first); ; version++) {
    await store.sink.apply(batchOf(version));
    process.stdout.write(`${version}\n`);
  }
}
