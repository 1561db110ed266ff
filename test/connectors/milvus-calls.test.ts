import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCalls } from '../../connectors/milvus/calls.ts';
import type { Clock } from '../../core/clock.ts';

const patient: Clock = { nowUs: () => 0, elapsedMs: () => 0, sleep: async () => {} };
const call = createCalls({ where: 'here', timeoutMs: 50, clock: patient });
const SUCCESS = { status: { error_code: 'Success', code: 0, reason: '' } };
const status = (code: number, reason = 'planted') => ({
  status: { error_code: 'UnexpectedError', code, reason },
});

/** Answers the given answers in turn, then the last for ever. */
function answering(...answers: readonly unknown[]) {
  let asked = 0;
  const work = async (): Promise<unknown> => {
    const answer = answers[Math.min(asked++, answers.length - 1)];
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { work, asked: () => asked };
}

describe('every call to Milvus', () => {
  it('fails when it resolves with an error status', async () => {
    await assert.rejects(call('Upsert', answering(status(1100)).work), { code: 'change-rejected' });
    await assert.rejects(
      call('Create', answering({ error_code: 'UnexpectedError', code: 65_535, reason: 'x' }).work),
      {
        code: 'internal',
      },
    );
  });

  it('fails when it resolves with nothing, which is what the client makes of UNIMPLEMENTED', async () => {
    await assert.rejects(call('Flush', answering({}).work), { code: 'unsupported' });
    await assert.rejects(call('Flush', answering(undefined).work), { code: 'unsupported' });
  });

  it('fails with one of our errors when the client throws a plain object', async () => {
    const work = () => Promise.reject(status(100, 'collection not found'));
    await assert.rejects(call('Upsert', work), { name: 'ChangeoverError', code: 'mismatch' });
  });

  it('is given no more time than its keys are surely ours, and begins nothing when that is over', async () => {
    const times: number[] = [];
    const work = async (withinMs: number): Promise<unknown> => {
      times.push(withinMs);
      return SUCCESS;
    };
    for (const leftMs of [10_000, 120, 99, 0]) {
      const calling = call('Upsert', work, { tenure: { remainingMs: () => leftMs } });
      if (leftMs >= 100) await calling;
      else await assert.rejects(calling, { code: 'unreachable', retryable: true });
    }
    assert.deepEqual(times, [50, 50]);
    const short = createCalls({ where: 'here', timeoutMs: 60_000, clock: patient });
    await short('Upsert', work, { tenure: { remainingMs: () => 150 } });
    assert.deepEqual(times, [50, 50, 150]);
    const never = () => new Promise<never>(() => {});
    await assert.rejects(short('Upsert', never, { tenure: { remainingMs: () => 150 } }), { code: 'timeout' });
  });

  it('is left to whoever has the tenure when it fails', async () => {
    const failing = answering(new Error('14 UNAVAILABLE: planted'));
    await assert.rejects(call('Upsert', failing.work, { tenure: { remainingMs: () => 10_000 } }));
    assert.equal(failing.asked(), 1);
  });

  it('is tried again while what is wrong may pass, and not for ever', async () => {
    const overloaded = Object.assign(new Error('8 RESOURCE_EXHAUSTED'), { code: 8 });
    const late = Object.assign(new Error('4 DEADLINE_EXCEEDED'), { code: 4 });
    const recovering = answering(overloaded, late, SUCCESS);
    assert.equal(await call('Upsert', recovering.work), SUCCESS);
    assert.equal(recovering.asked(), 3);
    const restarted = answering(status(101, 'collection not loaded'));
    await assert.rejects(call('Query', restarted.work), { code: 'unreachable', retryable: true });
    assert.equal(restarted.asked(), 3);
    const refused = answering(status(1100));
    await assert.rejects(call('Upsert', refused.work));
    assert.equal(refused.asked(), 1);
  });

  it('ends in time, whatever the client waits for', async () => {
    const hanging = () => new Promise<never>(() => {});
    await assert.rejects(call('Query', hanging, { attempts: 1 }), { code: 'timeout', retryable: true });
  });
});
