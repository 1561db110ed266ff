import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from './dictionary-support.ts';

const READER = fileURLToPath(new URL('dictionary-reader.ts', import.meta.url));
const FRIENDS = 5;

/** Ids in no order, so that reading in the order of ids jumps through the file. */
function idOf(n: number): string {
  return createHash('md5').update(String(n)).digest('hex');
}

/** The whole file is one line. */
function* members(agents: number): Generator<string> {
  for (let n = 0; n < agents; n++) {
    const friends = Array.from({ length: FRIENDS }, (_, k) => idOf((n * 7 + k * 13 + 1) % agents));
    const memory = {
      friends,
      relationships: Object.fromEntries(friends.map((id) => [id, n % 100])),
      relation_types: {},
    };
    const attributes = {
      name: `Name ${n}`,
      age: 20 + (n % 60),
      occupation: 'worker',
      city: `Town ${n % 100}`,
    };
    const agent = { id: idOf(n), type: 'citizen', active: true, attributes, memory };
    yield `${n === 0 ? '{' : ','}"${agent.id}":${JSON.stringify(agent)}`;
  }
  yield '}';
}

function* joined(pieces: Iterable<string>, count: number): Generator<string> {
  const some: string[] = [];
  for (const piece of pieces) {
    some.push(piece);
    if (some.length === count) yield some.splice(0).join('');
  }
  yield some.join('');
}

describe('the dictionary', () => {
  it('is walked in bounded memory: 200,000 agents and a million ties within 300 MB', async (t) => {
    const AGENTS = 200_000;
    const file = join(temporaryFolder(t), 'big.json');
    await pipeline(Readable.from(joined(members(AGENTS), 1000)), createWriteStream(file));
    // V8 sizes its nursery by the machine's memory; what is measured here is what we hold.
    const args = ['--max-semi-space-size=16', READER, file];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { agent, relationship, peakMb } = JSON.parse(stdout) as Record<string, number>;
    t.diagnostic(`greatest resident set ${peakMb?.toFixed(0)} MB`);
    assert.deepEqual([agent, relationship], [AGENTS, AGENTS * FRIENDS]);
    assert.ok(peakMb !== undefined && peakMb < 300, `${peakMb} MB`);
  });
});
