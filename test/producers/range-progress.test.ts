import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ScanChunk } from '../../connectors/connector.ts';
import type { ControlTopic } from '../../log/log.ts';
import { freshRange, type RangeFact } from '../../producers/backfill/facts.ts';
import { RangeProgress } from '../../producers/backfill/range-progress.ts';
import { keyOf } from '../../schemas/keys.ts';
import { WHOLE_RANGE } from '../../schemas/scan-order.ts';
import { sampleEntity } from '../support/entities.ts';

function chunk(name: string): ScanChunk<'agent'> {
  const entity = sampleEntity('agent', { name });
  return {
    rows: [{ key: keyOf('agent', entity), version: null, entity }],
    rejected: [{ where: name, reason: 'for the test' }],
    last: [name],
  };
}

const FRESH = freshRange(WHOLE_RANGE, 1);

/** A control topic whose writes end when they are told to. */
function heldControl() {
  const written: RangeFact[] = [];
  const open: (() => void)[] = [];
  const control: ControlTopic = {
    write: (_subject, body) => {
      written.push(body as RangeFact);
      return new Promise((resolve) => open.push(resolve));
    },
    read: async () => new Map(),
  };
  const letGo = (): void => {
    for (const resolve of open.splice(0)) resolve();
  };
  return { control, written, letGo };
}

function progressOn(control: ControlTopic, confirmed: string[] = []): RangeProgress {
  return new RangeProgress({
    control,
    subject: 'backfill/1/agent/0',
    fact: FRESH,
    maxInFlight: 3,
    onConfirmed: (_published, rejected) => confirmed.push(...rejected.map(({ where }) => where)),
  });
}

const instantly: ControlTopic['write'] = async () => {};

describe('the progress of a range', () => {
  it('moves chunk by chunk in their order, whatever order they are confirmed in', async () => {
    const written: RangeFact[] = [];
    const write: ControlTopic['write'] = async (_subject, body) => {
      written.push(body as RangeFact);
    };
    const confirmed: string[] = [];
    const progress = progressOn({ write, read: async () => new Map() }, confirmed);
    const [first, second] = [Promise.withResolvers<readonly []>(), Promise.withResolvers<readonly []>()];
    await progress.add(chunk('a'), first.promise);
    await progress.add(chunk('b'), second.promise);
    second.resolve([]);
    await turn();
    assert.deepEqual(confirmed, []);
    assert.deepEqual(written, []);
    first.resolve([]);
    await progress.finish({ status: 'done' });
    assert.deepEqual(confirmed, ['a', 'b']);
    assert.deepEqual(written.at(-1), { ...FRESH, status: 'done', last: ['b'], published: 2, rejected: 2 });
  });

  it('stands still for ever before a chunk that could not be published', async () => {
    const { control, written } = heldControl();
    const progress = progressOn(control);
    await progress.add(chunk('a'), Promise.reject(new Error('the log is gone')));
    await progress.add(chunk('b'), Promise.resolve([]));
    await assert.rejects(progress.finish({ status: 'done' }), /the log is gone/);
    await turn();
    assert.deepEqual(written, []);
  });

  it('lets no more than its number of chunks be under way', async () => {
    const progress = progressOn({ write: instantly, read: async () => new Map() });
    const [first, never] = [Promise.withResolvers<readonly []>(), new Promise<readonly []>(() => {})];
    await progress.add(chunk('a'), first.promise);
    await progress.add(chunk('b'), never);
    let added = false;
    const third = progress.add(chunk('c'), never).then(() => {
      added = true;
    });
    await turn();
    assert.equal(added, false);
    first.resolve([]);
    await third;
  });

  it('writes one state after the other and leaves out those that a newer one has overtaken', async () => {
    const { control, written, letGo } = heldControl();
    const progress = progressOn(control);
    await progress.add(chunk('a'), Promise.resolve([]));
    await progress.add(chunk('b'), Promise.resolve([]));
    await progress.add(chunk('c'), Promise.resolve([]));
    await turn();
    assert.equal(written.length, 1);
    const finished = progress.finish({ status: 'hole', reason: 'unreadable' });
    for (let round = 0; round < 5; round++) {
      letGo();
      await turn();
    }
    assert.deepEqual(await finished, {
      ...FRESH,
      status: 'hole',
      reason: 'unreadable',
      last: ['c'],
      published: 3,
      rejected: 3,
    });
    assert.deepEqual(
      written.map(({ status, last }) => [status, last]),
      [
        ['running', ['a']],
        ['hole', ['c']],
      ],
    );
  });

  it('says at the next chunk that a state could not be written', async () => {
    const write: ControlTopic['write'] = () => Promise.reject(new Error('no room for facts'));
    const progress = progressOn({ write, read: async () => new Map() });
    await progress.add(chunk('a'), Promise.resolve([]));
    await turn();
    await assert.rejects(progress.add(chunk('b'), Promise.resolve([])), /no room for facts/);
    await assert.rejects(progress.finish({ status: 'done' }), /no room for facts/);
  });

  it('leaves no failure of a chunk unhandled that it did not take any more', async () => {
    const write: ControlTopic['write'] = () => Promise.reject(new Error('no room for facts'));
    const progress = progressOn({ write, read: async () => new Map() });
    await progress.add(chunk('a'), Promise.resolve([]));
    await turn();
    const published = Promise.withResolvers<readonly []>();
    await assert.rejects(progress.add(chunk('b'), published.promise), /no room for facts/);
    // The test would fail of it.
    published.reject(new Error('the log is gone'));
    await turn();
  });
});
