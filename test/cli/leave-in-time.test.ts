import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from './process.ts';

const HANGS = fileURLToPath(new URL('hangs.ts', import.meta.url));
const WITHIN_MS = 1_500;

describe('a command that waits for something that does not answer', () => {
  it('is gone in time after it was told to stop, and says so', async () => {
    const { child, said, ended } = start(process.execPath, [HANGS, `${WITHIN_MS}`]);
    await said('working');
    const startedMs = performance.now();
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    assert.equal(code, 130);
    assert.ok(performance.now() - startedMs >= WITHIN_MS);
    assert.match(stderr, /has not answered for 1\.5 s; leaving\. What was under way is done again\.\n$/);
  });
});
