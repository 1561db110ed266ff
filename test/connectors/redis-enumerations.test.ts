import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Enumerations } from '../../connectors/redis/read/enumerations.ts';
import { PlaceFile } from '../../connectors/redis/read/place-file.ts';
import { toLine } from '../../connectors/redis/read/place-lines.ts';
import { systemClock } from '../../core/clock.ts';
import type { ScanKey } from '../../schemas/keys.ts';
import { isInRange, rangesBetween, type ScanRange, WHOLE_RANGE } from '../../schemas/scan-order.ts';

async function* linesOf(places: Iterable<ScanKey>): AsyncGenerator<string> {
  for (const place of places) yield toLine({ place });
}

async function placesIn(file: PlaceFile, range: ScanRange): Promise<readonly ScanKey[]> {
  return (await Array.fromAsync(file.read(range))).flat().map(({ place }) => place);
}

describe('an enumeration on disk', () => {
  let file: PlaceFile;
  // More than the index has entries for, several times over, and characters that a read may cut in half.
  const places: readonly ScanKey[] = Array.from({ length: 20_000 }, (_, n) => [
    `a${String(n).padStart(6, '0')}`,
    `s\n${'é😀'.repeat(n % 7)}`,
  ]);
  before(async () => {
    file = await PlaceFile.write(linesOf(places));
  });
  after(async () => {
    await file.close();
  });

  it('gives back any stretch of it', async () => {
    const end = fc.option(
      fc.nat(places.length - 1).map((n) => places[n] ?? null),
      { nil: null },
    );
    await fc.assert(
      fc.asyncProperty(end, end, async (from, until) => {
        const range = { after: from, until };
        assert.deepEqual(
          await placesIn(file, range),
          places.filter((place) => isInRange(place, range)),
        );
      }),
      { numRuns: 30 },
    );
  });

  it('is parted into stretches of about equal length that cover it', async () => {
    const parts = await Promise.all(rangesBetween(file.boundaries(8)).map((range) => placesIn(file, range)));
    assert.deepEqual(parts.flat(), places);
    assert.equal(parts.length, 8);
    for (const part of parts) assert.ok(Math.abs(part.length - 2_500) < 50, String(part.length));
  });

  it('is parted into no more stretches than it has places', async () => {
    const small = await PlaceFile.write(linesOf([['a'], ['b'], ['c']]));
    assert.ok(small.boundaries(10).length <= 3);
    const empty = await PlaceFile.write(linesOf([]));
    assert.deepEqual(empty.boundaries(4), []);
    assert.deepEqual(await placesIn(empty, WHOLE_RANGE), []);
    await Promise.all([small.close(), empty.close()]);
  });
});

describe('the enumerations of a source', () => {
  let temporary: string;
  const before_ = process.env.TMPDIR;
  before(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'redis-enumerations-'));
    process.env.TMPDIR = temporary;
  });
  after(async () => {
    if (before_ === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before_;
    await rm(temporary, { recursive: true });
  });

  function subject() {
    const state = { now: 0, made: 0, fails: false };
    const enumerations = new Enumerations({
      clock: { ...systemClock, elapsedMs: () => state.now },
      maxAgeMs: 100,
      enumerate: async function* () {
        yield toLine({ place: [`made ${state.made++}`] });
        if (state.fails) throw new Error('the server went away');
      },
    });
    return { state, enumerations };
  }

  it('are shared while they are recent, and made anew when they are not or when it is asked for', async () => {
    const { state, enumerations } = subject();
    const leases = await Promise.all([enumerations.recent('agent'), enumerations.recent('agent')]);
    assert.equal(state.made, 1);
    leases.push(await enumerations.fresh('agent'));
    leases.push(await enumerations.recent('agent'));
    assert.equal(state.made, 2);
    state.now = 101;
    leases.push(await enumerations.recent('agent'), await enumerations.recent('policy'));
    assert.equal(state.made, 4);
    await Promise.all(leases.map((lease) => lease.release()));
    await enumerations.close();
  });

  it('can be read while somebody uses them and no longer, and leave nothing behind even in a crash', async () => {
    const { enumerations } = subject();
    const old = await enumerations.fresh('agent');
    const newer = await enumerations.fresh('agent');
    await enumerations.close();
    await enumerations.close();
    assert.deepEqual(await readdir(temporary), []);
    for (const { places, release } of [old, newer]) {
      assert.equal((await placesIn(places, WHOLE_RANGE)).length, 1);
      await release();
      await assert.rejects(placesIn(places, WHOLE_RANGE));
    }
  });

  it('that failed are not offered again, and leave nothing behind', async () => {
    const { state, enumerations } = subject();
    state.fails = true;
    await assert.rejects(enumerations.recent('agent'), /went away/);
    state.fails = false;
    await (await enumerations.recent('agent')).release();
    assert.equal(state.made, 2);
    assert.deepEqual(await readdir(temporary), []);
    await enumerations.close();
  });

  it('say that the folder for temporary files cannot be used, and are made when it can', async () => {
    const { enumerations } = subject();
    process.env.TMPDIR = join(temporary, 'absent');
    try {
      await assert.rejects(enumerations.recent('agent'), {
        code: 'config',
        message: /absent, is not there/,
        hint: /TMPDIR/,
      });
    } finally {
      process.env.TMPDIR = temporary;
    }
    await (await enumerations.recent('agent')).release();
    await enumerations.close();
  });
});
