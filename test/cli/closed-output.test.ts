import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { start } from './process.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/changeover.js', import.meta.url));

/** Runs a line of shell in which `changeover` is the program. */
const shell = (line: string) => start('/bin/sh', ['-c', `changeover() { '${PROGRAM}' "$@"; }; ${line}`]);

describe('output that nobody takes', () => {
  it('ends a command without a word when its reader has gone', async () => {
    const { stderr } = await shell('{ changeover config options; echo "code $?" >&2; } | true').ended;
    assert.equal(stderr, 'code 0\n');
  });

  it('ends a command that would go on for ever', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'changeover-closed-'));
    await mkdir(join(folder, 'logs'));
    const log = join(folder, 'logs', 'redis.log');
    await appendFile(log, 'first\nsecond\n');
    const { ended } = shell(
      `{ changeover stack logs redis --follow --dir '${folder}'; echo "code $?" >&2; } | head -n 1`,
    );
    let over = false;
    const result = ended.finally(() => {
      over = true;
    });
    try {
      while (!over) {
        await appendFile(log, 'more\n');
        await sleep(100);
      }
      const { stdout, stderr } = await result;
      assert.equal(stdout, 'first\n');
      assert.equal(stderr, 'code 0\n');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('is told when it is lost for another reason', async () => {
    const { code, stderr } = await shell('changeover config options >/dev/full').ended;
    assert.equal(code, 10);
    assert.match(stderr, /^changeover: Cannot write the output: .*no space.*\n {2}→ Make room/);
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
  });

  it('on standard error alone does not change what a command answers', async () => {
    const { code, stdout } = await shell('changeover config options 2>/dev/full').ended;
    assert.equal(code, 0);
    assert.match(stdout, /^option /);
  });
});
