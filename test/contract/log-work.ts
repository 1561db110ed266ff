import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log, WorkMember, WorkTask } from '../../log/log.ts';
import { uniqueName } from '../support/names.ts';
import type { LogUnderContract } from './log.ts';

const PARTITIONS = 4;
const PATIENCE_MS = 30_000;
const CREW = 'backfill.1.1';

/** A member that takes whatever comes, and finishes an item when it is told to. */
interface Worker {
  readonly member: WorkMember;
  readonly log: Log;
  /** In their order, also those that it has lost. */
  readonly given: WorkTask[];
}

const bodies = (tasks: readonly WorkTask[]): readonly unknown[] => tasks.map(({ body }) => body);
const kept = ({ given }: Worker): readonly WorkTask[] => given.filter(({ signal }) => !signal.aborted);

/** What the log promises of work that several processes share. */
export function workContract(name: string, { open }: Pick<LogUnderContract, 'open'>): void {
  describe(`${name} keeps the contract of shared work`, { concurrency: false }, () => {
    const opened: Log[] = [];
    after(() => Promise.all(opened.map((log) => log.close())));
    const openAs = async (prefix: string): Promise<Log> => {
      const log = await open({ prefix, partitions: PARTITIONS, writer: 'contract', maxChangeBytes: 100_000 });
      opened.push(log);
      return log;
    };
    const prepared = async (): Promise<{ readonly log: Log; readonly prefix: string }> => {
      const prefix = uniqueName('work').replace('_', '-');
      const log = await openAs(prefix);
      await log.prepare();
      return { log, prefix };
    };
    /** A worker in a process of its own. */
    const worker = async (prefix: string, crew = CREW): Promise<Worker> => {
      const log = await openAs(prefix);
      const member = await log.work.join(crew);
      const given: WorkTask[] = [];
      (async () => {
        for await (const task of member.tasks(new AbortController().signal)) given.push(task);
      })().catch(() => {});
      return { member, log, given };
    };
    const items = (count: number) =>
      Array.from({ length: count }, (_, lot) => ({ lot, body: { number: lot } }));
    const until = async (check: () => boolean | Promise<boolean>): Promise<void> => {
      const startedMs = performance.now();
      while (!(await check())) {
        assert.ok(performance.now() - startedMs < PATIENCE_MS, `not within ${PATIENCE_MS} ms: ${check}`);
        await sleep(10);
      }
    };

    it('gives one member everything, what was written before it joined and after, for its crew alone', async () => {
      const { log, prefix } = await prepared();
      await log.work.write(CREW, items(30));
      await log.work.write('backfill.1.2', [{ lot: 0, body: 'not for us' }]);
      const only = await worker(prefix);
      await until(() => only.given.length === 30);
      await log.work.write(CREW, [{ lot: 7, body: ['later', null, -0] }]);
      await until(() => only.given.length === 31);
      assert.deepEqual(only.given.at(-1)?.body, ['later', null, -0]);
      const numbers = new Set(bodies(only.given.slice(0, 30)).map((body) => JSON.stringify(body)));
      assert.equal(numbers.size, 30, 'each of them once');
      assert.equal(only.member.leads, true);
      assert.equal(await log.members(CREW), 1);
      assert.equal(await log.members('backfill.1.2'), 0);
    });

    it('shares the items among its members evenly, each with one of them, and one of them leads', async () => {
      const { log, prefix } = await prepared();
      const [one, other] = [await worker(prefix), await worker(prefix)];
      await until(() => Number(one.member.leads) + Number(other.member.leads) === 1);
      await until(async () => (await log.members(CREW)) === 2);
      await log.work.write(CREW, items(24));
      await until(() => kept(one).length === 12 && kept(other).length === 12);
      assert.equal(Number(one.member.leads) + Number(other.member.leads), 1);
      assert.equal(
        new Set([...bodies(kept(one)), ...bodies(kept(other))].map((body) => JSON.stringify(body))).size,
        24,
      );
    });

    it('leaves a member that stays what it has begun and keeps, when another comes', async () => {
      const { log, prefix } = await prepared();
      const first = await worker(prefix);
      await log.work.write(CREW, items(12));
      await until(() => first.given.length === 12);
      const second = await worker(prefix);
      await until(() => kept(second).length === 6);
      assert.equal(kept(first).length, 6, 'what the other has is not with it any more');
      assert.equal(first.given.length, 12, 'and nothing has begun anew');
      const both = [...bodies(kept(first)), ...bodies(kept(second))];
      assert.equal(new Set(both.map((body) => JSON.stringify(body))).size, 12);
      // What it has kept is still its to finish.
      await Promise.all(kept(first).map((task) => task.done()));
      await first.member.close();
      await until(() => second.member.leads);
      await log.work.write(CREW, [
        { lot: 0, body: 'one more' },
        { lot: 1, body: 'one more' },
      ]);
      // What was done right after the sharing out may come once more.
      await until(() => second.given.filter(({ body }) => body === 'one more').length === 2);
    });

    it('gives to another what a member had that has left, and nothing of what is done', async () => {
      const { log, prefix } = await prepared();
      await log.work.write(CREW, items(12));
      const first = await worker(prefix);
      await until(() => first.given.length === 12);
      for (const task of first.given.slice(0, 5)) await task.done();
      const left = bodies(first.given.slice(5));
      await first.member.close();
      assert.ok(first.given.slice(5).every(({ signal }) => signal.aborted));
      const second = await worker(prefix);
      await until(() => second.given.length === 7);
      const sorted = (list: readonly unknown[]) => list.map((body) => JSON.stringify(body)).sort();
      assert.deepEqual(sorted(bodies(second.given)), sorted(left));
    });

    it('gives items of one lot again that stand behind one that is not done', async () => {
      const { log, prefix } = await prepared();
      await log.work.write(
        CREW,
        [1, 2, 3].map((number) => ({ lot: 5, body: number })),
      );
      const first = await worker(prefix);
      await until(() => first.given.length === 3);
      await first.given[0]?.done();
      await first.given[2]?.done();
      await first.member.close();
      const second = await worker(prefix);
      await until(() => second.given.length === 2);
      assert.deepEqual(bodies(second.given), [2, 3]);
    });

    it('refuses to be used when the log is closed, and ends whoever waits for work', async () => {
      const { prefix } = await prepared();
      const log = await openAs(prefix);
      const member = await log.work.join(CREW);
      const ended = (async () => {
        for await (const task of member.tasks(new AbortController().signal)) assert.fail(`${task.body}`);
      })();
      await log.close();
      await ended;
      await assert.rejects(log.work.join(CREW), { code: 'aborted' });
      await assert.rejects(log.work.write(CREW, []), { code: 'aborted' });
    });

    it('says that the topic is missing', async () => {
      const log = await openAs(uniqueName('work').replace('_', '-'));
      await assert.rejects(log.work.join(CREW), { code: 'mismatch' });
      await assert.rejects(log.work.write(CREW, items(1)), { code: 'mismatch' });
    });
  });
}
