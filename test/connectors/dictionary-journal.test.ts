import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { encodeChanges } from '../../connectors/dictionary/journal/entries.ts';
import { readFrames } from '../../connectors/dictionary/journal/frames.ts';
import { createJournal, Journal, readJournalHeader } from '../../connectors/dictionary/journal/journal.ts';
import { type LogFields, type Logger, silentLogger } from '../../core/logger.ts';
import { upsert } from '../support/changes.ts';
import { agent, dictionaryFile, entities, openDictionary, temporaryFolder } from './dictionary-support.ts';

const V = 1_700_000_000_000_000;

/** Two acknowledged batches, of which the second is the last frame. */
async function withTwoFrames(t: TestContext) {
  const file = dictionaryFile(t, {});
  const store = await openDictionary(file, { compactOnClose: false });
  await store.sink.apply([upsert('agent', agent('first'), V)]);
  const journal = `${file}.journal`;
  const firstEnd = readFileSync(journal).byteLength;
  await store.sink.apply([upsert('agent', agent('second', { note: 'x'.repeat(40) }), V)]);
  await store.close();
  return { file, journal, firstEnd, whole: readFileSync(journal) };
}

async function ids(store: Store): Promise<readonly string[]> {
  return (await entities(store, 'agent')).map(({ id }) => id);
}

function recording(): { readonly logger: Logger; readonly warnings: LogFields[] } {
  const warnings: LogFields[] = [];
  const logger = { ...silentLogger, warn: (fields: LogFields) => warnings.push(fields) };
  return { logger, warnings };
}

describe('the journal after a crash', () => {
  it('gives everything that was acknowledged, at whatever byte the last write broke off', async (t) => {
    const { file, journal, firstEnd, whole } = await withTwoFrames(t);
    for (let end = firstEnd; end < whole.byteLength; end++) {
      writeFileSync(journal, whole.subarray(0, end));
      const reader = await openDictionary(file);
      assert.deepEqual(await ids(reader), ['first'], `cut at ${end}`);
      assert.equal(readFileSync(journal).byteLength, end, 'a reader changes nothing');
      await reader.close();
    }
  });

  it('cuts the unfinished write when it is written again, says how much, and goes on behind what was whole', async (t) => {
    const { file, journal, firstEnd, whole } = await withTwoFrames(t);
    for (const lost of [1, 20, whole.byteLength - firstEnd - 1]) {
      truncateSync(journal, firstEnd);
      writeFileSync(journal, whole.subarray(0, whole.byteLength - lost));
      const { logger, warnings } = recording();
      const store = await openDictionary(file, { logger, compactOnClose: false });
      await store.sink.apply([upsert('agent', agent('third'), V + lost)]);
      const cutBytes = whole.byteLength - lost - firstEnd;
      assert.deepEqual(
        warnings.map((fields) => fields.cutBytes),
        [cutBytes],
      );
      const probed = (await store.probe.check()).find(({ check }) => check === 'journal');
      assert.match(probed?.detail ?? '', new RegExp(`${cutBytes} bytes of an unfinished write were cut`));
      assert.deepEqual(await ids(store), ['first', 'third']);
      await store.close();
    }
  });

  it('takes torn bytes for torn, whatever they are', async (t) => {
    const { file, journal, firstEnd, whole } = await withTwoFrames(t);
    const damaged = Buffer.from(whole);
    damaged.fill(0, firstEnd + 15, firstEnd + 30);
    const zeros = Buffer.concat([whole.subarray(0, firstEnd), Buffer.alloc(5000)]);
    for (const content of [damaged, zeros]) {
      writeFileSync(journal, content);
      const reader = await openDictionary(file);
      assert.deepEqual(await ids(reader), ['first']);
      await reader.close();
    }
  });

  it('refuses a journal that is damaged before something whole, and names the byte', async (t) => {
    const { file, journal, firstEnd, whole } = await withTwoFrames(t);
    const header = await open(journal);
    const { bytes: start } = await readJournalHeader(header, journal);
    await header.close();
    for (let at = start; at < firstEnd; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      writeFileSync(journal, damaged);
      for (const use of [ids, (store: Store) => store.sink.apply([upsert('agent', agent('x'), V)])]) {
        const store = await openDictionary(file);
        await assert.rejects(use(store), {
          code: 'mismatch',
          message: `The journal ${journal} is damaged at byte ${start}: what stands there is no entry, but the one at byte ${firstEnd} is.`,
        });
        await store.close();
      }
    }
    assert.deepEqual(readFileSync(journal).byteLength, whole.byteLength, 'nothing was cut');
  });

  it('refuses what does not begin as a journal', async (t) => {
    const { file, journal, whole } = await withTwoFrames(t);
    const flipped = Buffer.from(whole);
    flipped[20] = 0xff;
    for (const content of [Buffer.alloc(0), Buffer.from('{}'), whole.subarray(0, 12), flipped]) {
      writeFileSync(journal, content);
      const store = await openDictionary(file);
      await assert.rejects(ids(store), { code: 'mismatch', message: /does not begin as a journal/ });
      await store.close();
    }
  });
});

describe('the journal', () => {
  async function emptyJournal(
    t: TestContext,
  ): Promise<{ file: FileHandle; path: string; salt: number; bytes: number }> {
    const path = join(temporaryFolder(t), 'journal');
    await createJournal(path, { role: 'legacy', name: 'legacy.dictionary' }, 0);
    const file = await open(path, 'r+');
    t.after(() => file.close());
    const { salt, bytes } = await readJournalHeader(file, path);
    return { file, path, salt, bytes };
  }

  it('makes all that wait durable with one write and one fsync', async (t) => {
    const { file, path, salt, bytes } = await emptyJournal(t);
    let syncs = 0;
    const counted = new Proxy(file, {
      get: (target, name: keyof FileHandle) => {
        if (name === 'datasync') syncs++;
        const member = target[name];
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    const journal = new Journal({ path, file: counted, salt, end: bytes, payloadOf: encodeChanges });
    const WRITERS = 500;
    const writes = Array.from({ length: WRITERS }, (_, n) => journal.append(Buffer.from(`entry ${n}`)));
    await Promise.all(writes);
    assert.ok(syncs <= 2, `${syncs} fsyncs for ${WRITERS} writers`);
    const frames = await Array.fromAsync(readFrames(file, { path, salt, start: bytes, size: journal.end }));
    const content = frames.map(({ payload }) => payload.toString()).join('');
    for (let n = 0; n < WRITERS; n++) assert.ok(content.includes(`entry ${n}`));
  });

  it('tells every writer of a failure, and does not go on when it does not know what the disk holds', async (t) => {
    const { file, path, salt, bytes } = await emptyJournal(t);
    let healthy = false;
    const failing = new Proxy(file, {
      get: (target, name: keyof FileHandle) => {
        if (name === 'datasync' && !healthy) return () => Promise.reject(new Error('EIO'));
        const member = target[name];
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    const journal = new Journal({ path, file: failing, salt, end: bytes, payloadOf: encodeChanges });
    const answers = await Promise.allSettled([journal.append(Buffer.of(1)), journal.append(Buffer.of(2))]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    healthy = true;
    await assert.rejects(journal.append(Buffer.of(3)), { code: 'unreachable' });
    assert.ok(journal.broken);
    assert.equal((await file.stat()).size, bytes, 'what may or may not be durable is gone');
  });

  it('takes a write back that found no room, and goes on when there is room again', async (t) => {
    const { file, path, salt, bytes } = await emptyJournal(t);
    let full = true;
    const small = new Proxy(file, {
      get: (target, name: keyof FileHandle) => {
        if (name === 'write' && full) {
          return async (buffer: Buffer, offset: number, length: number, position: number) => {
            if (length > 10) return target.write(buffer, offset, 10, position);
            throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
          };
        }
        const member = target[name];
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    const journal = new Journal({ path, file: small, salt, end: bytes, payloadOf: encodeChanges });
    await assert.rejects(journal.append(Buffer.from('lost')), { code: 'no-space', retryable: true });
    assert.equal((await file.stat()).size, bytes);
    full = false;
    await journal.append(Buffer.from('kept'));
    const frames = await Array.fromAsync(readFrames(file, { path, salt, start: bytes, size: journal.end }));
    assert.deepEqual(
      frames.map(({ payload }) => payload.toString('utf8', 1)),
      ['kept'],
    );
  });
});
