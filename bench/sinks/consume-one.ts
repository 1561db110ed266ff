/**
 * Reads a topic to its end in a process of its own, and says how fast: either with kafkajs and the codec alone, or with our
 * pipeline and a sink that says yes. Its arguments are the way, the broker, the prefix, the kind, the group and the number of records.
 */
import { Kafka, logLevel } from 'kafkajs';
import { APPLIED, type Sink } from '../../connectors/connector.ts';
import { createPipeline } from '../../consumers/pipeline.ts';
import { stopAtRefusal } from '../../consumers/refused.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { createCodec } from '../../schemas/codec.ts';
import { isKind, type Kind, topicOf } from '../../schemas/kinds.ts';
import { withLog } from './postgres-content.ts';

/** As in the configuration. */
const MAX_BATCH_CHANGES = 2_000;

const [way, broker = '', prefix = '', kind = '', group = '', count = ''] = process.argv.slice(2);
if (!isKind(kind)) throw new Error(`There is no kind ${kind}.`);
const records = Number(count);
const codec = createCodec();

/** From the first batch that arrived to the last one; what came with the first is not counted. */
let first = { ms: 0, records: 0 };
let seen = 0;
const done = Promise.withResolvers<void>();
function arrived(more: number): void {
  seen += more;
  if (first.records === 0) first = { ms: performance.now(), records: more };
  if (seen >= records) done.resolve();
}

await (way === 'bare' ? bare(kind) : ours(kind));

async function bare(of: Kind): Promise<void> {
  const consumer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).consumer({ groupId: group });
  await consumer.connect();
  await consumer.subscribe({ topic: topicOf(prefix, of), fromBeginning: true });
  await consumer.run({
    eachBatch: async ({ batch }) => {
      for (const { key, value } of batch.messages) {
        if (key !== null && value !== null) codec.decode(of, key.toString(), value);
      }
      arrived(batch.messages.length);
    },
  });
  await done.promise;
  report();
  await consumer.disconnect();
}

async function ours(of: Kind): Promise<void> {
  const sink: Sink = {
    kinds: [of],
    apply: async (changes) => {
      arrived(changes.length);
      return changes.map(() => APPLIED);
    },
    close: async () => {},
  };
  const store = 'target.null';
  await withLog({ brokers: [broker] }, prefix, async (log) => {
    const ended = new AbortController();
    const running = createPipeline({
      store,
      group,
      sink,
      log,
      codec,
      clock: systemClock,
      logger: silentLogger,
      stages: [],
      refuse: stopAtRefusal(store),
      maxBatchChanges: MAX_BATCH_CHANGES,
    }).run(ended.signal);
    await Promise.race([done.promise, running]);
    report();
    ended.abort();
    await running;
  });
}

function report(): void {
  const { user, system } = process.cpuUsage();
  const perSecond = (seen - first.records) / ((performance.now() - first.ms) / 1000);
  const megabytes = process.resourceUsage().maxRSS / 1000;
  process.stdout.write(JSON.stringify({ perSecond, cpuSeconds: (user + system) / 1e6, megabytes }));
}
