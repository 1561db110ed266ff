/** Walks a dictionary once and prints what it met and its greatest resident set, for the test of its memory. */
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { openDictionary } from './dictionary-support.ts';

const [, , file = ''] = process.argv;
const store = await openDictionary(file);
const met = { agent: 0, relationship: 0 };
for (const kind of ['agent', 'relationship'] as const) {
  for await (const chunk of store.source.scan(kind, WHOLE_RANGE, { limit: 1000 }))
    met[kind] += chunk.rows.length;
}
await store.close();
process.stdout.write(JSON.stringify({ ...met, peakMb: process.resourceUsage().maxRSS / 1024 }));
