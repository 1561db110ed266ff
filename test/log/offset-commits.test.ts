import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../core/clock.ts';
import { type NextOffset, OffsetCommits } from '../../log/kafka/offset-commits.ts';

const at = (partition: number, offset: number): NextOffset => ({ topic: 't', partition, offset });

interface Request {
  readonly offsets: readonly NextOffset[];
  readonly answer: PromiseWithResolvers<void>;
}

/** Commits whose requests are answered by the test, and whose pauses end when the test says so. */
function openCommits() {
  const requests: Request[] = [];
  const pauses: (() => void)[] = [];
  const commits = new OffsetCommits({
    clock: { ...systemClock, sleep: () => new Promise((resolve) => pauses.push(resolve)) },
    closing: new AbortController().signal,
    send: (offsets) => {
      const answer = Promise.withResolvers<void>();
      requests.push({ offsets, answer });
      return answer.promise;
    },
  });
  return {
    commits,
    requests,
    endPause: async () => {
      await settled();
      pauses.shift()?.();
      await settled();
    },
  };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

async function isOpen(promise: Promise<void>): Promise<boolean> {
  let open = true;
  promise.then(
    () => {
      open = false;
    },
    () => {
      open = false;
    },
  );
  await settled();
  return open;
}

describe('commits of offsets', () => {
  it('sends the first at once, and then, after a pause, the newest of all that has come meanwhile', async () => {
    const { commits, requests, endPause } = openCommits();
    const first = commits.add([at(0, 1)]);
    await settled();
    assert.deepEqual(requests[0]?.offsets, [at(0, 1)]);
    const [second, third] = [commits.add([at(0, 2), at(1, 5)]), commits.add([at(0, 3)])];
    assert.equal(await isOpen(first), true);
    requests[0]?.answer.resolve();
    await first;
    await settled();
    assert.equal(requests.length, 1);
    await endPause();
    assert.deepEqual(requests[1]?.offsets, [at(0, 3), at(1, 5)]);
    assert.equal(await isOpen(second), true);
    requests[1]?.answer.resolve();
    await Promise.all([second, third]);
  });

  it('never takes a commit back, whatever the order of the calls', async () => {
    const { commits, requests, endPause } = openCommits();
    const newer = commits.add([at(0, 9)]);
    await settled();
    const older = commits.add([at(0, 4)]);
    assert.equal(await isOpen(older), true);
    requests[0]?.answer.resolve();
    await Promise.all([newer, older]);
    await endPause();
    await commits.add([at(0, 4)]);
    assert.equal(requests.length, 1);
  });

  it('rejects those of a request that failed, and sends them again when they are asked for again', async () => {
    const { commits, requests } = openCommits();
    const failed = commits.add([at(0, 2)]);
    await settled();
    requests[0]?.answer.reject(new Error('no broker'));
    await assert.rejects(failed, /no broker/);
    const again = commits.add([at(0, 2)]);
    await settled();
    assert.deepEqual(requests[1]?.offsets, [at(0, 2)]);
    requests[1]?.answer.resolve();
    await again;
  });

  it('forgets what is due when partitions are shared out anew, and begins again below it', async () => {
    const { commits, requests, endPause } = openCommits();
    const first = commits.add([at(0, 7)]);
    await settled();
    const due = commits.add([at(0, 8)]);
    commits.clear();
    requests[0]?.answer.resolve();
    await first;
    await endPause();
    await due;
    assert.equal(requests.length, 1);
    const below = commits.add([at(0, 3)]);
    await endPause();
    assert.deepEqual(requests[1]?.offsets, [at(0, 3)]);
    requests[1]?.answer.resolve();
    await below;
  });
});
