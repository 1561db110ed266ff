import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log, RecordBatch, Subscription } from '../../log/log.ts';
import { upsert } from '../support/changes.ts';
import { sampleEntity } from '../support/entities.ts';
import { eventually as eventuallyWithin } from '../support/eventually.ts';
import { uniqueName } from '../support/names.ts';
import type { LogUnderContract } from './log.ts';

const PARTITIONS = 4;
const RECORDS = 40;
const PATIENCE_MS = 30_000;

/** What the log promises of work in partitions that are about to move. */
export function claimContract(name: string, { open, sessionTimeoutMs }: LogUnderContract): void {
  describe(`${name} keeps the contract of claims`, { concurrency: false }, () => {
    const opened: Log[] = [];
    after(() => Promise.all(opened.map((log) => log.close())));
    const openAs = async (prefix: string): Promise<Log> => {
      const log = await open({ prefix, partitions: PARTITIONS, writer: 'contract', maxChangeBytes: 100_000 });
      opened.push(log);
      return log;
    };
    /** A log with records in every partition, and a first reader who has been delivered all of them. */
    const begun = async () => {
      const prefix = uniqueName('cl').replace('_', '-');
      const log = await openAs(prefix);
      await log.prepare();
      const changes = Array.from({ length: RECORDS }, (_, index) =>
        upsert('agent', sampleEntity('agent', { name: `agent ${index}` }), 1),
      );
      await (await log.publisher()).publish(changes);
      const first = await log.subscribe({ group: 'g', kinds: ['agent'] });
      const seen = collect(first);
      await eventually(() => assert.equal(countOf(seen), RECORDS));
      return { log, first, seen, join: async () => (await openAs(prefix)).subscribe(GROUP) };
    };

    it('keeps partitions together until work in them has ended, and begins none meanwhile', async () => {
      const { first, seen, join } = await begun();
      const [batch] = seen;
      assert.ok(batch);
      const claim = first.claim(batch);
      assert.ok(claim);
      assert.ok(claim.remainingMs() > 0);
      const joining = join();
      const others: RecordBatch[] = [];
      const joined = joining.then((second) => {
        collect(second, others);
        return second;
      });
      await eventually(() => assert.ok(!first.isCurrent(batch)));
      assert.equal(first.claim(batch), undefined);
      await delay(1_000);
      assert.equal(countOf(others), 0);
      claim.release();
      claim.release();
      await eventually(() => assert.ok(countOf(others) > 0));
      await Promise.all([first.close(), joined.then((second) => second.close())]);
    });

    it('counts what is committed before the release, so that it is not delivered again', async () => {
      const { log, first, seen, join } = await begun();
      const claims = seen.map((batch) => first.claim(batch));
      assert.ok(claims.every((claim) => claim !== undefined));
      const joining = join();
      await eventually(() => assert.ok(seen.every((batch) => !first.isCurrent(batch))));
      for (const batch of seen) await first.commit(batch);
      for (const claim of claims) claim?.release();
      const second = await joining;
      const others = collect(second);
      await (await log.publisher()).publish([upsert('agent', sampleEntity('agent', { name: 'late' }), 1)]);
      await eventually(() => assert.equal(countOf(seen) + countOf(others), RECORDS + 1));
      await delay(500);
      assert.equal(countOf(seen) + countOf(others), RECORDS + 1);
      await Promise.all([first.close(), second.close()]);
    });

    it('lets go of the partitions only when work has ended that was left behind at the close', async () => {
      const { first, seen, join } = await begun();
      const [batch] = seen;
      assert.ok(batch);
      const claim = first.claim(batch);
      assert.ok(claim);
      const closedMs = performance.now();
      await first.close();
      assert.equal(first.claim(batch), undefined);
      const joining = join();
      const others: RecordBatch[] = [];
      const joined = joining.then((second) => {
        collect(second, others);
        return second;
      });
      await delay(Math.min(1_000, sessionTimeoutMs / 2));
      assert.equal(countOf(others), 0);
      // On Kafka nobody is told: the group waits for a sign of life until the session is over.
      claim.release();
      await eventually(() => assert.equal(countOf(others), RECORDS));
      assert.equal(claim.remainingMs(), 0);
      assert.ok(performance.now() - closedMs > sessionTimeoutMs / 2);
      await joined.then((second) => second.close());
    });
  });
}

const GROUP = { group: 'g', kinds: ['agent'] } as const;

function collect(subscription: Subscription, into: RecordBatch[] = []): RecordBatch[] {
  const reading = async (): Promise<void> => {
    for await (const batch of subscription.batches(new AbortController().signal)) into.push(batch);
  };
  void reading();
  return into;
}

function countOf(batches: readonly RecordBatch[]): number {
  return batches.reduce((sum, { records }) => sum + records.length, 0);
}

function eventually(check: () => void): Promise<void> {
  return eventuallyWithin(check, PATIENCE_MS);
}
