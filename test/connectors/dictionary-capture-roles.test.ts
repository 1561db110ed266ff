import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { thisProcess } from '../../connectors/dictionary/journal/lock.ts';
import { openObservedDictionary } from '../../connectors/dictionary/observed/observed-dictionary.ts';
import { agentWrite, CAPTURE, NEVER, openedCapture, outboxOf } from './dictionary-capture-support.ts';
import { agent, dictionaryFile } from './dictionary-support.ts';

describe('the claim on a dictionary’s outbox', () => {
  it('is another’s while that lives, and free when that is dead', async (t) => {
    const file = dictionaryFile(t, {});
    const { capture } = await openedCapture(t, file);
    const other = await openedCapture(t, file);
    const drain = await other.capture.claim();
    assert.equal(await capture.claim(), undefined);
    await drain?.close();
    writeFileSync(`${file}.relay-lock`, JSON.stringify({ ...thisProcess(), started: '1', token: 'dead' }));
    const own = await capture.claim();
    assert.ok(own !== undefined);
    await own.close();
  });

  it('takes away what a relay that was killed had begun to write, and nothing else', async (t) => {
    const file = dictionaryFile(t, {});
    const { capture } = await openedCapture(t, file);
    const { pid: dead } = spawnSync(process.execPath, ['--version']);
    const begun = [`.relayed.new-${dead}`, `.set-aside.new-${dead}`];
    const others = [
      `.relayed.new-${process.pid}`,
      `.relayed.new-${dead}.kept`,
      '.relayed.new-',
      // Of the journal's owner, which the claim says nothing of.
      `.journal.new-${dead}`,
    ];
    const there = (ends: readonly string[]) => ends.filter((end) => existsSync(`${file}${end}`));
    for (const end of [...begun, ...others]) writeFileSync(`${file}${end}`, '{');
    const drain = await capture.claim();
    assert.ok(drain !== undefined);
    assert.deepEqual([there(begun), there(others)], [[], others]);
    const later = begun.slice(0, 1);
    for (const end of later) writeFileSync(`${file}${end}`, '{');
    assert.equal(await capture.claim(), undefined);
    assert.deepEqual(there(later), later, 'who has no claim takes nothing away');
    await drain.close();
  });

  it('of a relay that nobody here can look at is an error that names the file to remove', async (t) => {
    const file = dictionaryFile(t, {});
    const { capture } = await openedCapture(t, file);
    const lock = `${file}.relay-lock`;
    for (const elsewhere of [{ host: 'elsewhere' }, { pid: 1, started: '1', pidNamespace: 'pid:[1]' }]) {
      writeFileSync(lock, JSON.stringify({ ...thisProcess(), ...elsewhere, token: 'x' }));
      await assert.rejects(capture.claim(), {
        code: 'conflict',
        message: /outbox is being drained by process \d+ on .*relay-lock/,
        hint: /remove .*\.relay-lock/,
      });
    }
    writeFileSync(lock, '{"pid": 5');
    await assert.rejects(capture.claim(), {
      code: 'conflict',
      message: /relay-lock is no lock file/,
      hint: /Move it away/,
    });
    rmSync(lock);
    await (await capture.claim())?.close();
  });
});

describe('the end of capture in a dictionary', () => {
  // Written before, while and after it is looked whether the outbox is empty.
  const DELAYS_MS = [0, 0, 0, 0.5, 1, 1, 2, 3, 5];

  for (const who of ['the process that writes', 'another one'] as const) {
    it(`leaves nothing in the outbox unseen that is written meanwhile, by ${who}`, async (t) => {
      for (const ms of DELAYS_MS) {
        const file = dictionaryFile(t, {});
        const writer = await openedCapture(t, file, { compactOnClose: false });
        if (who === 'the process that writes') {
          await writer.capture.write([agentWrite(agent('a'))]);
          await outboxOf(writer.capture, { discard: true });
        }
        const operator = who === 'another one' ? await openedCapture(t, file) : writer;
        const ending = operator.capture.uninstall();
        if (ms > 0) await delay(ms);
        const writing = writer.capture.write([agentWrite(agent('b'))]);
        const [ended, written] = await Promise.allSettled([ending, writing]);
        const { active, entries } = await writer.capture.status();
        const told = `${ms} ms: uninstall ${ended.status}, write ${written.status}, ${entries} entries`;
        assert.equal(active, ended.status === 'rejected', told);
        assert.equal(entries, written.status === 'fulfilled' ? 1 : 0, told);
        assert.ok(active || entries === 0, told);
        if (ended.status === 'rejected') assert.equal(ended.reason.code, 'conflict');
        if (written.status === 'rejected') assert.match(written.reason.code, /^(mismatch|conflict)$/);
        if (!active) {
          await assert.rejects(writer.capture.write([agentWrite(agent('c'))]), { code: 'mismatch' });
        }
        await writer.close();
      }
    });
  }

  it('is noticed by who had not written yet, though capture was there when it was opened', async (t) => {
    const file = dictionaryFile(t, {});
    const operator = await openedCapture(t, file);
    const application = await openedCapture(t, file);
    await operator.capture.uninstall();
    await assert.rejects(application.capture.write([agentWrite(agent('a'))]), { code: 'mismatch' });
  });

  it('is not undone by opening the observed dictionary, where operators decide', async (t) => {
    const file = dictionaryFile(t, {});
    const refused = () => openObservedDictionary({ file }, { capture: CAPTURE, install: false });
    await assert.rejects(refused(), { code: 'mismatch', hint: /capture install/ });
    const operator = await openedCapture(t, file);
    const dictionary = await refused();
    await dictionary.set('a', {});
    const drain = await dictionary.capture.claim();
    const { entries } = (await drain?.next({ limit: 1, waitMs: 0, signal: NEVER })) ?? { entries: [] };
    await drain?.discard(entries.map(({ id }) => id));
    await drain?.close();
    await dictionary.close();
    await operator.capture.uninstall();
    await assert.rejects(refused(), { code: 'mismatch' });
    assert.equal((await operator.capture.status()).active, false);
  });
});

describe('an observed dictionary that is not the origin of all it holds', () => {
  it('captures the kinds of which it is', async (t) => {
    const file = dictionaryFile(t, {});
    const dictionary = await openObservedDictionary({ file }, { capture: CAPTURE, kinds: ['agent'] });
    t.after(() => dictionary.close());
    await dictionary.set('a', { memory: { friends: ['b'] } });
    assert.deepEqual(dictionary.get('a')?.memory?.friends, ['b']);
    const kinds = (await outboxOf(dictionary.capture)).map(({ change }) => change.kind);
    assert.deepEqual(kinds, ['agent']);
  });
});
