import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from '../../core/clock.ts';
import { idleMs } from '../../core/idle-time.ts';
import type { PartitionPosition } from '../../log/log.ts';
import { LagPressure } from '../../producers/backfill/lag-pressure.ts';
import { outboxPressure } from '../../producers/backfill/outbox-pressure.ts';
import type { Pressure } from '../../producers/backfill/pressure.ts';
import { ScanLatency } from '../../producers/backfill/scan-latency.ts';
import { Throttle } from '../../producers/backfill/throttle.ts';

/** A clock that the test owns. */
function fakeClock(): Clock & { pass(ms: number): void } {
  let nowMs = 0;
  return {
    elapsedMs: () => nowMs,
    nowUs: () => nowMs * 1_000,
    sleep: async () => {},
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

const SLOW: Pressure = { reason: 'origin', kinds: ['agent'], text: 'slow' };

function limitOf(throttle: Throttle, pressures: readonly Pressure[]): number {
  return throttle.decide(pressures, 1).get('agent') ?? Number.NaN;
}

describe('the throttle', () => {
  it('goes down in steps under pressure, never below the least, and up again until it is free', () => {
    const throttle = new Throttle(['agent', 'policy'], 100);
    const second = (pressures: readonly Pressure[], most: number): number => {
      throttle.published('agent', most);
      return limitOf(throttle, pressures);
    };
    for (let step = 0; step < 30; step++) second([], 10_000);
    const first = second([SLOW], 10_000);
    assert.ok(first > 6_000 && first < 7_500, `${first}`);
    let limit = first;
    for (let step = 0; step < 30; step++) {
      const next = second([SLOW], limit);
      assert.ok(next <= limit);
      limit = next;
    }
    assert.equal(limit, 100);
    let steps = 0;
    while (limit !== Number.POSITIVE_INFINITY) {
      const next = second([], Math.min(limit, 10_000));
      assert.ok(next > limit);
      limit = next;
      assert.ok(++steps < 60, 'it comes to be free');
    }
    assert.ok(steps > 10, 'not at once');
  });

  it('holds only the kinds that the pressure is for', () => {
    const throttle = new Throttle(['agent', 'policy'], 100);
    const limits = throttle.decide([{ ...SLOW, perSecond: 50 }], 1);
    assert.deepEqual([limits.get('agent'), limits.get('policy')], [50, Number.POSITIVE_INFINITY]);
  });
});

interface Sink {
  end: number;
  committed: number | null;
  members: number;
}

/** The lag of one group of one partition, as the test says it is. */
function lagOf(sink: Sink, clock: Clock, maxRecords = 1_000) {
  const position = (): PartitionPosition => ({
    kind: 'agent',
    partition: 0,
    start: 0,
    end: Math.round(sink.end),
    committed: sink.committed === null ? null : Math.round(sink.committed),
  });
  return new LagPressure({
    log: {
      positions: async () => [position()],
      members: async () => sink.members,
      arrivals: async () => [],
    },
    clock,
    follower: { store: 'target.s', group: 'g', kinds: ['agent'] },
    maxRecords,
    maxSeconds: Number.POSITIVE_INFINITY,
    leastPerSecond: 10,
  });
}

describe('a lag of a sink', () => {
  it('comes to rest at the bound, with the sink busy all the time, whatever the sink can do', async () => {
    for (const sinkPerSecond of [200, 900]) {
      const clock = fakeClock();
      const sink: Sink = { end: 0, committed: 0, members: 1 };
      const lag = lagOf(sink, clock);
      const throttle = new Throttle(['agent'], 10);
      const lags: number[] = [];
      for (let second = 0; second < 120; second++) {
        const limit = limitOf(throttle, await lag.read());
        // A backfill that could do ten thousand, and a sink that takes what is there.
        sink.end += Math.min(limit, second < 2 ? 1_500 : 10_000);
        sink.committed = Math.min(sink.end, (sink.committed ?? 0) + sinkPerSecond);
        clock.pass(1_000);
        lags.push(sink.end - sink.committed);
      }
      const settled = lags.slice(60);
      assert.ok(Math.min(...settled) > 850, `below the bound: ${settled}`);
      assert.ok(Math.max(...settled) < 1_150, `above the bound: ${settled}`);
    }
  });

  it('stops the backfill at twice the bound and says that nothing is committed, until something is', async () => {
    const clock = fakeClock();
    const sink: Sink = { end: 5_000, committed: 1, members: 1 };
    const lag = lagOf(sink, clock);
    await lag.read();
    clock.pass(5_000);
    const [stuck] = await lag.read();
    assert.deepEqual(stuck, {
      reason: 'lag',
      kinds: ['agent'],
      text: 'target.s is 4999 records of agent behind and commits nothing',
      perSecond: 0,
    });
    sink.committed = 4_500;
    clock.pass(1_000);
    assert.deepEqual(await lag.read(), []);
  });

  it('of a store that has never followed holds nothing back', async () => {
    const sink: Sink = { end: 1_000_000, committed: null, members: 0 };
    assert.deepEqual(await lagOf(sink, fakeClock()).read(), []);
  });

  it('of a store that is away is waited for while it may be a restart, and then only told', async () => {
    const clock = fakeClock();
    const sink: Sink = { end: 9_000, committed: 0, members: 0 };
    const lag = lagOf(sink, clock);
    const [moment] = await lag.read();
    assert.equal(moment?.perSecond, 0);
    assert.match(moment?.text ?? '', /is not running$/);
    clock.pass(31_000);
    const [long] = await lag.read();
    assert.equal(long?.perSecond, Number.POSITIVE_INFINITY);
    assert.match(long?.text ?? '', /is not running: it is not waited for/);
    sink.members = 1;
    assert.equal((await lag.read())[0]?.perSecond, 0, 'it is back');
  });
});

describe('the latency of the origin', () => {
  function latency(clock: Clock) {
    return new ScanLatency({
      clock,
      idleMs,
      storeOf: () => 'legacy.s',
      maxSlowdown: 5,
      onScan: () => {},
    });
  }

  it('is pressure when chunks take several times as long as usual, and not when they are quick all the same', async () => {
    const clock = fakeClock();
    const measured = latency(clock);
    const take = (ms: number, times: number): void => {
      for (let time = 0; time < times; time++) measured.took('agent', ms);
    };
    take(4, 20);
    take(90, 20);
    assert.deepEqual(await measured.read(), [], '90 ms is quick');
    take(40, 20);
    take(180, 20);
    take(900, 4);
    assert.equal((await measured.read()).length, 1, '180 ms against 4 ms');
    take(4, 20);
    assert.deepEqual(await measured.read(), []);
  });

  it('is no pressure for one slow chunk, nor when nothing has been read for a while', async () => {
    const clock = fakeClock();
    const measured = latency(clock);
    for (let time = 0; time < 20; time++) measured.took('agent', time === 12 ? 9_000 : 30);
    assert.deepEqual(await measured.read(), []);
    for (let time = 0; time < 9; time++) measured.took('agent', 500);
    const [pressure] = await measured.read();
    assert.equal(pressure?.text, 'legacy.s takes 500 ms for a chunk of agent, usually 30 ms');
    assert.equal(pressure?.perSecond, undefined);
    clock.pass(11_000);
    assert.deepEqual(await measured.read(), []);
  });
});

describe('the latency of the origin, timed', () => {
  async function pressureOf(slowly: () => Promise<void>) {
    const measured = new ScanLatency({
      clock: systemClock,
      idleMs,
      storeOf: () => 'legacy.s',
      maxSlowdown: 5,
      onScan: () => {},
    });
    async function* chunks() {
      for (let chunk = 0; chunk < 20; chunk++) {
        if (chunk > 10) await slowly();
        else await sleep(2);
        yield { rows: [], rejected: [], last: [chunk] };
      }
    }
    for await (const _ of measured.timed('agent', chunks())) await sleep(0);
    return measured.read();
  }

  it('is what the origin has the process wait for', async () => {
    assert.equal((await pressureOf(() => sleep(130))).length, 1);
  });

  it('is not what the process itself is busy with', async () => {
    const busy = async (): Promise<void> => {
      await sleep(1);
      const untilMs = performance.now() + 130;
      while (performance.now() < untilMs);
    };
    assert.deepEqual(await pressureOf(busy), []);
  });
});

describe('an outbox of live writes', () => {
  it('holds back the kinds of its store while it is fuller than it may be', async () => {
    const clock = fakeClock();
    const depth = { store: 'legacy.s', kinds: ['policy'] as const, entries: 101, maxEntries: 1_000 };
    const pressure = outboxPressure({ clock, read: async () => [depth], maxShare: 0.1 });
    const [full] = await pressure.read();
    assert.deepEqual([full?.reason, full?.kinds, full?.perSecond], ['outbox', ['policy'], undefined]);
    depth.entries = 100;
    clock.pass(5_000);
    assert.deepEqual(await pressure.read(), []);
  });
});
