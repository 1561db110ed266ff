import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { canMakeDisks, makeSmallDisk, removeLeftOvers } from './small-disk.ts';

const MODULE = new URL('small-disk.ts', import.meta.url).href;
const ROOM_BYTES = 1024 * 1024;

const isMounted = (folder: string): boolean =>
  readFileSync('/proc/self/mounts', 'utf8').includes(` ${folder} `);

describe('a small disk', { skip: canMakeDisks() ? false : 'only root can make one' }, () => {
  let root: string;
  let folder: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'changeover-disk-'));
    folder = join(root, 'data');
    mkdirSync(folder);
    writeFileSync(join(folder, 'first'), 'there before');
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it('is full, has room again, and leaves everything where it was', () => {
    const disk = makeSmallDisk(folder, ROOM_BYTES);
    try {
      const free = disk.fill();
      assert.throws(() => writeFileSync(join(folder, 'second'), 'x'.repeat(10_000)), /ENOSPC/);
      free();
      writeFileSync(join(folder, 'second'), 'written to it');
    } finally {
      disk.remove();
    }
    assert.equal(isMounted(folder), false);
    assert.equal(readFileSync(join(folder, 'first'), 'utf8'), 'there before');
    assert.equal(readFileSync(join(folder, 'second'), 'utf8'), 'written to it');
  });

  /** Somebody who makes one and lives until it is ended. */
  async function owner(end: string): Promise<ChildProcess> {
    const program = `
      import { makeSmallDisk } from ${JSON.stringify(MODULE)};
      makeSmallDisk(${JSON.stringify(folder)}, ${ROOM_BYTES});
      console.log('made');
      process.stdin.once('data', () => ${end});
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    assert.ok(isMounted(folder));
    return child;
  }

  it('goes with a process that ends in its midst', async () => {
    const child = await owner('process.exit(130)');
    child.stdin?.write('end\n');
    await once(child, 'exit');
    assert.equal(isMounted(folder), false);
  });

  it('that a killed process has left is taken away, and only then', async () => {
    const child = await owner('undefined');
    const ours = () => removeLeftOvers().filter((each) => each.folder === folder);
    assert.deepEqual(ours(), [], 'its owner is alive');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.ok(isMounted(folder));

    const user = spawn('sleep', ['60'], { cwd: folder, stdio: 'ignore' });
    await once(user, 'spawn');
    assert.match(ours()[0]?.kept ?? '', /busy/, 'somebody works in it');
    assert.ok(isMounted(folder));
    user.kill('SIGKILL');
    await once(user, 'exit');

    assert.deepEqual(ours(), [{ folder, kept: undefined }]);
    assert.equal(isMounted(folder), false);
  });
});
