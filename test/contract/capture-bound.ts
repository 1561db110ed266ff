import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { captureOf, drained, hasCode, heldOf, type Opened, putOf, written } from './capture-support.ts';
import type { CapturePlace, CaptureUnderContract } from './capture-world.ts';

export function statusContract(subject: CaptureUnderContract, opened: Opened): void {
  const kind = subject.kinds[0] ?? 'agent';

  it('says whether it is active, how many entries wait and since when, and is not removed with entries in it', async () => {
    const capture = captureOf(opened());
    await drained(opened());
    const idle = await capture.status();
    assert.deepEqual([idle.active, idle.entries, idle.oldestUs, idle.lostSinceUs], [true, 0, null, null]);
    assert.ok(idle.detail.length > 0);
    const beforeUs = Date.now() * 1000 - 120_000_000;
    await written(capture, putOf(kind, { name: 'counted' }), putOf(kind, { name: 'counted too' }));
    const busy = await capture.status();
    assert.equal(busy.entries, 2);
    assert.ok((busy.oldestUs ?? 0) > beforeUs && (busy.oldestUs ?? 0) < Date.now() * 1000 + 120_000_000);
    await assert.rejects(capture.uninstall(), hasCode('conflict'));
    await capture.install();
    assert.equal((await capture.status()).entries, 2);
    await drained(opened());
  });
}

export function boundContract(subject: CaptureUnderContract): void {
  const kind = subject.kinds[0] ?? 'agent';
  const fill = async (own: CapturePlace) => {
    const store = await own.open();
    await store.prepare();
    await captureOf(store).install();
    for (let number = 0; number < 5; number++) {
      await written(captureOf(store), putOf(kind, { name: `full ${number}`, variant: number }));
    }
    return store;
  };

  it('refuses writes when the outbox is full, and takes them again when it has been drained', async () => {
    const own = await subject.place({ maxEntries: 5, whenFull: 'refuse' });
    try {
      const store = await fill(own);
      const put = putOf(kind, { name: 'too many', variant: 1 });
      await assert.rejects(captureOf(store).write([put]), hasCode('outbox-full'));
      assert.equal((await heldOf(store, kind, put.key))?.entity ?? null, null);
      assert.equal((await drained(store)).length, 5);
      await written(captureOf(store), put);
      assert.equal((await drained(store)).length, 1);
      await store.close();
    } finally {
      await own.remove();
    }
  });

  it('drops capture where that is the policy, says since when, and forgets it when a backfill has made it good', async () => {
    const own = await subject.place({ maxEntries: 5, whenFull: 'drop' });
    try {
      const store = await fill(own);
      const capture = captureOf(store);
      const put = putOf(kind, { name: 'too many', variant: 1 });
      const [version = 0] = await written(capture, put);
      assert.equal((await heldOf(store, kind, put.key))?.version, version);
      const { lostSinceUs, entries } = await capture.status();
      assert.equal(entries, 5);
      assert.ok(lostSinceUs !== null && lostSinceUs > 1.6e15);
      assert.equal((await drained(store)).length, 5);
      const [next = 0] = await written(capture, putOf(kind, { name: 'again', variant: 1 }));
      assert.ok(next > version);
      assert.equal((await drained(store)).length, 1);
      await capture.acceptLoss(lostSinceUs - 1);
      assert.equal((await capture.status()).lostSinceUs, lostSinceUs);
      // What was lost again, after the backfill began, is not made good by it.
      const betweenUs = Date.now() * 1000;
      await sleep(5);
      for (let number = 0; number < 6; number++) {
        await written(capture, putOf(kind, { name: `lost ${number}`, variant: number }));
      }
      await capture.acceptLoss(betweenUs);
      assert.notEqual((await capture.status()).lostSinceUs, null);
      await capture.acceptLoss(Date.now() * 1000 + 3_600_000_000);
      assert.equal((await capture.status()).lostSinceUs, null);
      await store.close();
    } finally {
      await own.remove();
    }
  });

  it('is not active once it was uninstalled', async () => {
    const own = await subject.place();
    try {
      const store = await own.open();
      await store.prepare();
      await captureOf(store).install();
      assert.equal((await captureOf(store).status()).active, true);
      await captureOf(store).uninstall();
      const { active, detail } = await captureOf(store).status();
      assert.equal(active, false);
      assert.ok(detail.length > 0);
      await store.close();
    } finally {
      await own.remove();
    }
  });
}
