import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { describe, it } from 'node:test';
import { nextVersion } from '../../schemas/version.ts';
import { removal, upsert } from '../support/changes.ts';
import {
  agentRemoval,
  agentWrite,
  CAPTURE,
  NEVER,
  observed,
  openedCapture,
  outboxOf,
  said,
  settableClock,
  tieWrite,
} from './dictionary-capture-support.ts';
import { agent, dictionaryFile, legacyAgent, openDictionary, tie } from './dictionary-support.ts';

const HOUR_US = 3_600_000_000;

const versionOf = (result: { readonly status: string } | undefined): number => {
  assert.ok(result !== undefined && 'version' in result && typeof result.version === 'number');
  return result.version;
};

describe('capture in a dictionary', () => {
  it('remembers event ids for a day, through restarts and compactions', async (t) => {
    const file = dictionaryFile(t, {});
    const clock = settableClock();
    const first = await openedCapture(t, file, { compactOnClose: false }, { clock });
    const [asked] = await first.capture.write([agentWrite(agent('a', { n: 1 }), 'event 1')]);
    await outboxOf(first.capture, { discard: true });
    await first.close();
    for (const compactOnClose of [true, true]) {
      const next = await openedCapture(t, file, { compactOnClose }, { clock });
      await next.capture.write([agentWrite(agent('a', { n: 2 }))]);
      const [again, other] = await next.capture.write([
        agentWrite(agent('a', { n: 1 }), 'event 1'),
        agentWrite(agent('b'), 'event 1'),
      ]);
      assert.deepEqual(again, { status: 'repeated', version: versionOf(asked) });
      assert.deepEqual(other, again);
      assert.equal((await outboxOf(next.capture, { discard: true })).length, 1);
      await next.close();
    }
    clock.offsetUs = 24 * HOUR_US + 60_000_000;
    const later = await openedCapture(t, file, {}, { clock });
    const results = await later.capture.write([
      agentWrite(agent('a', { n: 1 }), 'event 1'),
      agentWrite(agent('a', { n: 3 }), 'event 1'),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['written', 'repeated'],
    );
  });

  it('gives versions above all it ever gave, with the clock set back, when all was folded and relayed', async (t) => {
    const file = dictionaryFile(t, {});
    const clock = settableClock();
    const first = await openedCapture(t, file, {}, { clock });
    const [last] = (await first.capture.write([agentWrite(agent('a')), agentRemoval('a')])).slice(-1);
    await outboxOf(first.capture, { discard: true });
    await first.close();
    clock.offsetUs = -30 * 24 * HOUR_US;
    const second = await openedCapture(t, file, {}, { clock });
    const [next] = await second.capture.write([agentWrite(agent('b'))]);
    assert.equal(versionOf(next), versionOf(last) + 1);
    const followed = nextVersion(versionOf(next), 0) + 1000;
    await second.sink.apply([upsert('agent', agent('c'), followed)]);
    await second.close();
    // The journal of which that was known is gone.
    renameSync(`${file}.journal`, `${file}.moved`);
    const third = await openedCapture(t, file, {}, { clock });
    const [after] = await third.capture.write([agentWrite(agent('d'))]);
    assert.equal(versionOf(after), followed + 1);
  });

  it('begins an outbox of its own where somebody moved the journal away: nothing of it counts as relayed', async (t) => {
    const file = dictionaryFile(t, {});
    const first = await openedCapture(t, file);
    await first.capture.write(['a', 'b', 'c'].map((id) => agentWrite(agent(id))));
    const gone = await outboxOf(first.capture, { discard: true });
    await first.close();
    renameSync(`${file}.journal`, `${file}.moved`);
    const second = await openedCapture(t, file);
    await second.capture.write([agentWrite(agent('d')), agentWrite(agent('e'))]);
    const entries = await outboxOf(second.capture);
    assert.deepEqual(entries.map(said), ['c d', 'c e']);
    const ids = new Set([...gone, ...entries].map(({ id }) => id));
    assert.equal(ids.size, 5);
    const drain = await second.capture.claim();
    await drain?.next({ limit: 10, waitMs: 0, signal: NEVER });
    await drain?.discard(gone.map(({ id }) => id));
    await drain?.close();
    assert.equal((await outboxOf(second.capture)).length, 2);
  });

  it('cuts an unfinished write, counts it, and says so; what was acknowledged before it is in the outbox', async (t) => {
    const file = dictionaryFile(t, { a: legacyAgent('a') });
    const first = await observed(t, file, { compactOnClose: false });
    await first.set('b', legacyAgent('b'));
    const whole = readFileSync(`${file}.journal`);
    await first.set('c', legacyAgent('c'));
    const more = readFileSync(`${file}.journal`).subarray(whole.byteLength);
    await first.close();
    for (const bytes of [1, 9, more.byteLength - 1]) {
      writeFileSync(`${file}.journal`, Buffer.concat([whole, more.subarray(0, bytes)]));
      const reader = await openDictionary(file);
      await reader.close();
      const next = await observed(t, file, { compactOnClose: false });
      assert.equal(next.cutBytes, bytes);
      assert.match((await next.capture.status()).detail, new RegExp(`${bytes} bytes of an unfinished write`));
      assert.deepEqual([...next.keys()], ['a', 'b']);
      assert.deepEqual((await outboxOf(next.capture)).map(said), ['c b']);
      await next.close();
      assert.deepEqual(readFileSync(`${file}.journal`), whole);
    }
  });

  it('refuses when the outbox is full, also after a restart, and says what to do', async (t) => {
    const file = dictionaryFile(t, {});
    const outbox = { maxEntries: 3 };
    const first = await openedCapture(t, file, { outbox });
    await first.capture.write([agentWrite(agent('a')), agentWrite(agent('b'))]);
    await assert.rejects(first.capture.write([agentWrite(agent('c')), agentWrite(agent('d'))]), {
      code: 'outbox-full',
      retryable: true,
      message: /3 captured ones wait for the log/,
      hint: /relay/,
    });
    const [held] = await first.source.get('agent', ['c']);
    assert.equal(held, undefined, 'nothing of the batch was written');
    await first.capture.write([agentWrite(agent('c'))]);
    await first.close();
    const second = await observed(t, file, { outbox });
    await assert.rejects(second.set('d', {}), { code: 'outbox-full' });
    await assert.rejects(second.delete('a'), { code: 'outbox-full' });
    assert.equal(second.has('a'), true);
    await outboxOf(second.capture, { discard: true });
    await second.set('d', {});
    assert.equal((await outboxOf(second.capture)).length, 1);
  });

  it('does not forget that it has dropped captures: not in a restart, not in a compaction', async (t) => {
    const file = dictionaryFile(t, {});
    const outbox = { maxEntries: 2, whenFull: 'drop' } as const;
    const first = await observed(t, file, { outbox, compactOnClose: false });
    for (const id of ['a', 'b', 'lost 1', 'lost 2']) await first.set(id, {});
    const { lostSinceUs, entries } = await first.capture.status();
    assert.equal(entries, 2);
    assert.ok(lostSinceUs !== null);
    await first.close();
    for (const compactOnClose of [false, true, true]) {
      const next = await observed(t, file, { outbox, compactOnClose });
      assert.equal((await next.capture.status()).lostSinceUs, lostSinceUs);
      assert.deepEqual((await outboxOf(next.capture)).map(said), ['c a', 'c b']);
      assert.equal(next.has('lost 2'), true);
      await next.close();
    }
    const last = await observed(t, file, { outbox });
    await last.capture.acceptLoss(lostSinceUs);
    assert.equal((await last.capture.status()).lostSinceUs, lostSinceUs + 1, 'the second loss came after it');
    await last.capture.acceptLoss(lostSinceUs + HOUR_US);
    assert.equal((await last.capture.status()).lostSinceUs, null);
  });

  it('leaves memory and outbox as they were when the journal cannot be written, and goes on afterwards', async (t) => {
    const dictionary = await observed(t, dictionaryFile(t, { a: legacyAgent('a', { friends: ['a'] }) }));
    await dictionary.set('b', {});
    const handle = await fs.open(import.meta.filename);
    const prototype = Object.getPrototypeOf(handle) as typeof handle;
    await handle.close();
    for (const method of ['write', 'datasync'] as const) {
      const before = [...dictionary];
      const failing = t.mock.method(prototype, method, async () => {
        throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
      });
      const writes = [dictionary.set('c', {}), dictionary.delete('a'), dictionary.set('d', {})];
      for (const write of writes) await assert.rejects(write, { code: 'unreachable' });
      failing.mock.restore();
      assert.deepEqual([...dictionary], before);
      await dictionary.set('b', { attributes: { after: method } });
    }
    assert.deepEqual((await outboxOf(dictionary.capture)).map(said), ['c b', 'u b', 'u b']);
    assert.deepEqual(dictionary.get('b')?.attributes, { after: 'datasync' });
    assert.deepEqual([...dictionary.keys()], ['a', 'b']);
  });

  it('takes no write where it was not installed', async (t) => {
    const file = dictionaryFile(t, {});
    const store = await openedCapture(t, file);
    await store.capture.uninstall();
    await assert.rejects(store.capture.write([agentWrite(agent('a'))]), {
      code: 'mismatch',
      hint: /capture install/,
    });
    assert.equal((await store.capture.status()).active, false);
    await store.capture.install();
    await store.capture.write([agentWrite(agent('a'))]);
  });

  it('is not uninstalled under an owner that lives', async (t) => {
    const file = dictionaryFile(t, {});
    await observed(t, file);
    const other = await openedCapture(t, file);
    await assert.rejects(other.capture.uninstall(), {
      code: 'conflict',
      message: /being written by/,
      hint: /Stop the application/,
    });
  });

  it('is given to a legacy dictionary that is opened for it, and to no other', async (t) => {
    const plain = await openDictionary(dictionaryFile(t, {}));
    t.after(() => plain.close());
    assert.equal(plain.capture, undefined);
    const captured = await openedCapture(t, dictionaryFile(t, {}));
    assert.deepEqual(captured.capture.kinds, ['agent', 'relationship']);
  });

  it('rejects a relationship that is none, and does not take the rest of the batch with it', async (t) => {
    const { capture } = await openedCapture(t, dictionaryFile(t, {}));
    const results = await capture.write([
      tieWrite(tie('a', 'b', { type: 'not a name' })),
      { kind: 'embedding', key: 'x', entity: null },
      tieWrite(tie('a', 'b')),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'written'],
    );
    assert.match((results[1] as { readonly reason: string }).reason, /embedding/);
  });

  it('leaves out what was there before when the log could not take it with it', async (t) => {
    const big = { ...legacyAgent('big'), attributes: { long: 'x'.repeat(CAPTURE.maxChangeBytes) } };
    const dictionary = await observed(t, dictionaryFile(t, { big }));
    await dictionary.delete('big');
    const [entry] = await outboxOf(dictionary.capture);
    assert.deepEqual([entry?.change.op, entry?.change.before], ['d', null]);
  });

  it('keeps what was set aside with its reason, once, also after a crash in the middle of it', async (t) => {
    const file = dictionaryFile(t, {});
    const { capture } = await openedCapture(t, file);
    await capture.write([agentWrite(agent('a'))]);
    const drain = await capture.claim();
    assert.ok(drain !== undefined);
    const { entries } = await drain.next({ limit: 1, waitMs: 0, signal: NEVER });
    const id = entries[0]?.id ?? '';
    appendFileSync(`${file}.set-aside`, '{"id": "cut o');
    await drain.setAside({ id, reason: 'too odd' });
    await drain.close();
    assert.equal((await capture.status()).setAside, 1);
    const [, line] = readFileSync(`${file}.set-aside`, 'utf8').trim().split('\n');
    const kept = JSON.parse(line ?? '') as Record<string, string>;
    assert.deepEqual([kept.id, kept.reason, kept.kind, kept.key], [id, 'too odd', 'agent', 'a']);
  });

  it('takes what was cleared out of the file that keeps it, at once or when the relay at work has ended', async (t) => {
    const file = dictionaryFile(t, {});
    const { capture } = await openedCapture(t, file);
    await capture.write(['a', 'b', 'c'].map((id) => agentWrite(agent(id))));
    const drain = await capture.claim();
    assert.ok(drain !== undefined);
    const { entries } = await drain.next({ limit: 3, waitMs: 0, signal: NEVER });
    const [first = '', second = '', third = ''] = entries.map(({ id }) => id);
    const kept = () =>
      readFileSync(`${file}.set-aside`, 'utf8')
        .match(/"key":"."/g)
        ?.join();
    for (const { id } of entries) await drain.setAside({ id, reason: 'odd \u2028' });
    assert.equal(await capture.clearSetAside([first]), 1);
    await drain.setAside({ id: first, reason: 'it is in the outbox no more' });
    assert.equal(kept(), '"key":"a","key":"b","key":"c"');
    await drain.close();
    await (await capture.claim())?.close();
    assert.equal(kept(), '"key":"b","key":"c"');
    assert.equal(await capture.clearSetAside([third]), 1);
    assert.equal(kept(), '"key":"b"');
    assert.equal((await Array.fromAsync(capture.setAsideEntries()))[0]?.reason, 'odd \u2028');
    assert.equal(await capture.clearSetAside([second]), 1);
    assert.equal(existsSync(`${file}.set-aside`), false);
    assert.deepEqual(await Array.fromAsync(capture.setAsideEntries()), []);
  });

  it('takes a batch of any size, in frames that can be read again', async (t) => {
    const file = dictionaryFile(t, {});
    const { capture, close } = await openedCapture(t, file, { compactOnClose: false });
    const long = 'x'.repeat(50_000);
    const writes = Array.from({ length: 1_500 }, (_, n) =>
      agentWrite(agent(String(n), n % 10 === 0 ? { long } : {})),
    );
    const results = await capture.write(writes);
    assert.ok(results.every(({ status }) => status === 'written'));
    await close();
    const next = await observed(t, file);
    assert.equal(next.size, 1_500);
    assert.deepEqual(
      (await outboxOf(next.capture)).map(({ change }) => change.key),
      writes.map(({ key }) => key),
    );
  });

  it('writes nothing where the journal is older than what is said to be relayed: it would never be', async (t) => {
    const file = dictionaryFile(t, {});
    const first = await observed(t, file, { compactOnClose: false });
    await first.set('a', {});
    const older = readFileSync(`${file}.journal`);
    await first.set('b', {});
    await outboxOf(first.capture, { discard: true });
    await first.close();
    writeFileSync(`${file}.journal`, older);
    const second = await observed(t, file, { compactOnClose: false });
    await assert.rejects(second.set('c', {}), { code: 'mismatch', hint: /one moment.*\.relayed away/ });
    renameSync(`${file}.relayed`, `${file}.moved`);
    await second.set('c', {});
    assert.deepEqual((await outboxOf(second.capture)).map(said), ['c a', 'c c']);
  });

  it('shows in memory what a follower writes, and keeps relationships whose agent it deletes', async (t) => {
    const file = dictionaryFile(t, { a: legacyAgent('a', { friends: ['b'] }), b: legacyAgent('b') });
    const { capture, sink, source } = await openedCapture(t, file);
    const [first] = await capture.write([agentWrite(agent('c'))]);
    const version = versionOf(first) + 10;
    await sink.apply([
      upsert('agent', agent('d'), version),
      upsert('relationship', tie('d', 'b'), version),
      removal('agent', 'a', version),
    ]);
    const results = await capture.write([agentRemoval('b'), agentWrite(agent('a'))]);
    assert.ok(results.every((result) => versionOf(result) > version));
    assert.deepEqual((await outboxOf(capture)).map(said), [
      'c c',
      'd ["a","KNOWS","b"]',
      'd ["d","KNOWS","b"]',
      'd b',
      'c a',
    ]);
    const [gone] = await source.get('relationship', ['["d","KNOWS","b"]']);
    assert.equal(gone?.entity, null);
  });
});
