import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { DeadLetter, Log, Resolution } from '../../log/log.ts';
import { KINDS } from '../../schemas/kinds.ts';
import { upsert } from '../support/changes.ts';
import { HOSTILE_TEXTS, sampleEntity } from '../support/entities.ts';
import { uniqueName } from '../support/names.ts';
import type { LogUnderContract } from './log.ts';

const PARTITIONS = 4;

function letter(offset: number, more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    sink: 'target.postgres',
    kind: 'agent',
    partition: offset % PARTITIONS,
    offset,
    key: `agent ${offset}`,
    class: 'rejected',
    reason: 'too odd',
    version: 1_000 + offset,
    payloadSha256: 'ab'.repeat(32),
    payloadForm: 'none',
    payload: null,
    refusedAt: 1_700_000_000_000_000 + offset,
    resolution: null,
    ...more,
  };
}

const RESOLUTION: Resolution = {
  state: 'dropped',
  by: 'ada@host',
  note: 'not needed',
  at: 1_700_000_000_000_009,
};

const byPlace = (letters: readonly DeadLetter[]) =>
  letters.toSorted((a, b) => a.offset - b.offset || a.kind.localeCompare(b.kind));

/** What the log promises of dead letters, and of single records that are read again. */
export function deadLetterContract(name: string, { open }: Pick<LogUnderContract, 'open'>): void {
  describe(`${name} keeps the contract of dead letters`, { concurrency: false }, () => {
    const opened: Log[] = [];
    after(() => Promise.all(opened.map((log) => log.close())));
    const openAs = async (prefix: string, maxChangeBytes = 100_000): Promise<Log> => {
      const log = await open({ prefix, partitions: PARTITIONS, writer: 'contract', maxChangeBytes });
      opened.push(log);
      return log;
    };
    const fresh = async (
      maxChangeBytes?: number,
    ): Promise<{ readonly log: Log; readonly prefix: string }> => {
      const prefix = uniqueName('dl').replace('_', '-');
      const log = await openAs(prefix, maxChangeBytes);
      await log.prepare();
      return { log, prefix };
    };

    it('has none at first', async () => {
      const { log } = await fresh();
      assert.deepEqual(await log.deadLetters.read(), []);
    });

    it('gives every process what a resolved call has written, unharmed', async () => {
      const { log, prefix } = await fresh();
      const odd = HOSTILE_TEXTS.map((text, offset) => letter(offset, { key: text, reason: text }));
      const others = KINDS.map((kind, index) =>
        letter(1_000 + index, {
          kind,
          class: 'unreadable',
          version: null,
          payloadSha256: index === 0 ? null : 'cd'.repeat(32),
          resolution: index === 1 ? RESOLUTION : null,
        }),
      );
      await log.deadLetters.write([...odd, ...others]);
      const other = await openAs(prefix);
      assert.deepEqual(byPlace(await other.deadLetters.read()), byPlace([...odd, ...others]));
    });

    it('keeps the order of what is written about one record', async () => {
      const { log } = await fresh();
      const calls = Array.from({ length: 20 }, (_, call) => letter(7, { reason: `${call}` }));
      await Promise.all(calls.map((each) => log.deadLetters.write([letter(call(each)), each])));
      const read = (await log.deadLetters.read()).filter(({ offset }) => offset === 7);
      assert.deepEqual(
        read.map(({ reason }) => reason),
        calls.map(({ reason }) => reason),
      );
      function call({ reason }: DeadLetter): number {
        return 100 + Number(reason);
      }
    });

    it('gives payloads only where they are asked for', async () => {
      const { log } = await fresh();
      const bytes = Buffer.from([0, 1, 2, 255]);
      await log.deadLetters.write([
        letter(1, { payloadForm: 'full', payload: bytes }),
        letter(2, { payloadForm: 'masked', payload: Buffer.from('{}') }),
      ]);
      const without = byPlace(await log.deadLetters.read());
      assert.deepEqual(
        without.map(({ payloadForm, payload }) => [payloadForm, payload]),
        [
          ['full', null],
          ['masked', null],
        ],
      );
      const [first] = byPlace(await log.deadLetters.read(({ offset }) => offset === 1));
      assert.deepEqual(first?.payload, bytes);
    });

    it('leaves out a payload with which the letter is larger than the log takes, and says so', async () => {
      const { log } = await fresh();
      await log.deadLetters.write([letter(1, { payloadForm: 'full', payload: Buffer.alloc(2_000_000) })]);
      const [read] = await log.deadLetters.read(() => true);
      assert.deepEqual([read?.payloadForm, read?.payload], ['none', null]);
      assert.match(read?.reason ?? '', /^too odd \(.*too large/);
    });

    it('reads single records again, in the order of the places; what is not there is undefined', async () => {
      const { log, prefix } = await fresh();
      const publisher = await log.publisher();
      const versions = Array.from({ length: 300 }, (_, index) => index + 1);
      await publisher.publish(
        versions.flatMap((version) =>
          (['agent', 'policy'] as const).map((kind) =>
            upsert(kind, sampleEntity(kind, { name: `n${version % 40}`, variant: version }), version),
          ),
        ),
      );
      const other = await openAs(prefix);
      const ends = await other.positions(['agent', 'policy']);
      const places = ends
        .flatMap(({ kind, partition, start, end }) =>
          [end + 5, end, end - 1, start, start + 1, Math.floor((start + end) / 2), start].map((offset) => ({
            kind,
            partition,
            offset,
          })),
        )
        .toReversed();
      const records = await other.records(places);
      for (const [index, { kind, partition, offset }] of places.entries()) {
        const end = ends.find((each) => each.kind === kind && each.partition === partition)?.end ?? 0;
        const record = records[index];
        if (offset >= end) assert.equal(record, undefined);
        else assert.deepEqual([record?.kind, record?.partition, record?.offset], [kind, partition, offset]);
      }
      assert.ok(records.every((record) => record === undefined || record.value !== null));
      assert.deepEqual(await other.records([]), []);
    });

    it('refuses everything after it was closed', async () => {
      const { log } = await fresh();
      await log.close();
      const aborted = { code: 'aborted' };
      await assert.rejects(log.deadLetters.write([letter(1)]), aborted);
      await assert.rejects(log.deadLetters.read(), aborted);
      await assert.rejects(log.records([{ kind: 'agent', partition: 0, offset: 0 }]), aborted);
    });
  });
}
