import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openServer, type RedisClient } from '../../connectors/redis/client/client.ts';
import { layoutOf } from '../../connectors/redis/layout.ts';
import { enumerateExperiences } from '../../connectors/redis/read/enumerate-experiences.ts';
import { elementsOf, type ListPage } from '../../connectors/redis/read/list-elements.ts';
import { fromLine } from '../../connectors/redis/read/place-lines.ts';
import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { redisPlace } from './redis-support.ts';

/** Longer than what is read in one step. */
const LENGTH = 7_000;

const element = (n: number) => JSON.stringify({ id: `e${n}`, at: n });

describe('a long list that moves while it is read', () => {
  const place = redisPlace();
  const layout = layoutOf(place.options);
  const key = `${place.prefix}exp:a`;
  let client: RedisClient;
  before(async () => {
    client = await openServer(place.options, { logger: silentLogger, clock: systemClock });
  });
  after(async () => {
    await client.close();
    await place.remove();
  });

  async function plant(): Promise<void> {
    await place.redis.del(key);
    const texts = Array.from({ length: LENGTH }, (_, n) => element(n));
    for (let start = 0; start < LENGTH; start += 1_000)
      await place.redis.rpush(key, ...texts.slice(start, start + 1_000));
  }

  /** All pages, with something done to the list before each but the first. */
  async function read(disturb: (page: number) => Promise<unknown>): Promise<readonly ListPage[]> {
    const keys = async function* () {
      yield { id: 'a' };
    };
    const pages: ListPage[] = [];
    for await (const list of elementsOf(client, layout.patterns.experiences, keys())) {
      for await (const page of list.pages) {
        pages.push(page);
        await disturb(pages.length);
      }
    }
    return pages;
  }

  function idsOf(pages: readonly ListPage[]): readonly string[] {
    const texts = pages.flatMap(({ elements }) => elements).map(String);
    return texts.map((text) => (JSON.parse(text) as { id: string }).id);
  }

  it('is read once, in pages of bounded size, while an application adds to its end and drops from its start', async () => {
    await plant();
    const pages = await read(async (page) => {
      await place.redis.rpush(key, element(LENGTH + page), element(2 * LENGTH + page));
      await place.redis.ltrim(key, 5, -1);
    });
    assert.ok(pages.length >= 4);
    assert.ok(pages.every(({ elements, restarted }) => elements.length <= 2_000 && !restarted));
    const ids = idsOf(pages);
    assert.equal(new Set(ids).size, ids.length);
    const left = (await place.redis.lrange(key, 0, -1)).map(
      (text) => (JSON.parse(text) as { id: string }).id,
    );
    const added = left.filter((id) => Number(id.slice(1)) >= LENGTH);
    assert.deepEqual(
      left.filter((id) => !ids.includes(id)),
      added,
    );
  });

  it('is read again where elements went that had been read, so that none of the others is missed', async () => {
    await plant();
    const pages = await read(async (page) => {
      if (page === 2) await place.redis.lrem(key, 1, element(LENGTH - 10));
    });
    const restart = pages.findIndex(({ restarted }) => restarted);
    assert.equal(restart, 2);
    const left = (await place.redis.lrange(key, 0, -1)).map(
      (text) => (JSON.parse(text) as { id: string }).id,
    );
    assert.deepEqual(new Set(idsOf(pages.slice(restart))), new Set(left));
  });

  it('ends where it is gone', async () => {
    await plant();
    const pages = await read(async (page) => {
      if (page === 1) await place.redis.del(key);
    });
    assert.equal(pages.at(-1)?.elements.length, 0);
  });

  it('gives up on one that never holds still, with an error that can be tried again', async () => {
    await plant();
    let next = LENGTH - 1;
    await assert.rejects(
      read(async () => place.redis.lrem(key, -1, element(next--))),
      { code: 'conflict', retryable: true },
    );
  });

  it('is enumerated without doubles from what was read before it was read again', async () => {
    await plant();
    let pages = 0;
    const disturbed: RedisClient = {
      where: client.where,
      info: () => client.info(),
      run: (...args) => client.run(...args),
      close: () => client.close(),
      parts: () => client.parts(),
      call: (work) => client.call(work),
      async batch(commands, read) {
        const answer = await client.batch(commands, read);
        const isPage = Array.isArray(answer) && typeof answer[0] === 'number' && Array.isArray(answer[1]);
        if (isPage && ++pages % 3 === 2 && pages < 9)
          await place.redis.lrem(key, -1, element(LENGTH - pages));
        return answer;
      },
    };
    const lines = await Array.fromAsync(enumerateExperiences(disturbed, layout));
    assert.ok(pages > 9);
    const found = lines.map(fromLine);
    assert.equal(found.filter(({ fault }) => fault !== undefined).length, 0);
    const left = (await place.redis.lrange(key, 0, -1)).map(
      (text) => (JSON.parse(text) as { id: string }).id,
    );
    const met = new Set(found.map(({ place: [, id] }) => id));
    assert.deepEqual(
      left.filter((id) => !met.has(id)),
      [],
    );
  });
});
