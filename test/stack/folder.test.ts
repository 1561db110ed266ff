/** A data folder is named on the command line, and may be anybody's: only a stack's is touched. No server is started here. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ChangeoverError } from '../../core/errors.ts';
import { deleteStackFolder, isStackFolder, makeStackFolder } from '../../stack/folder.ts';
import { openStack, type Stack } from '../../stack/stack.ts';
import { EMPTY_STATE, withService, writeState } from '../../stack/state.ts';
import { cli } from '../support/cli.ts';

type Files = Readonly<Record<string, string>>;

const STARTED = withService(EMPTY_STATE, 'redis', { secret: 's', ports: { client: 1234 } });

/** Folders of somebody's own work. */
const FOREIGN: Readonly<Record<string, Files>> = {
  'a project with a state.json of its own': {
    'state.json': '{"page": 1}\n',
    'logs/today.log': 'mine\n',
    'redis/dump.rdb': 'mine\n',
    'run/server.pid': '1\n',
  },
  'a project whose state.json looks nearly like ours': {
    'state.json': JSON.stringify({ ...STARTED, theme: 'dark' }),
    'logs/today.log': 'mine\n',
  },
  'a project whose state.json names no service': {
    'state.json': JSON.stringify(EMPTY_STATE),
    'logs/today.log': 'mine\n',
  },
  'a folder with a state.json that is cut off': {
    'state.json': '{"format": 1, "serv',
    'kafka/data': 'mine\n',
  },
  'a move of somebody’s own': { 'changeover.yaml': 'prefix: mine\n', 'society.json': '{}\n' },
  'a folder with files': { 'notes.txt': 'mine\n', 'postgres/data': 'mine\n' },
};

/** What we leave where no stack is (any more), below a folder of somebody's own. */
const FREE: Readonly<Record<string, { readonly at: string; readonly files: Files }>> = {
  nothing: { at: 'absent', files: {} },
  'a start that was killed while it wrote its state': { at: 'a', files: { 'a/state.json.new': '{"form' } },
  'commands beside a stack that is gone': {
    at: '.changeover/bench',
    files: {
      '.changeover/bench/changeover.yaml': 'prefix: x\n',
      '.changeover/bench/society.json': '{}\n',
      '.changeover/bench/round-1.yaml': 'prefix: round-1\n',
      '.changeover/bench/rejected.ndjson': '{}\n',
    },
  },
  'a reset beside something else': {
    at: 'a',
    files: { 'a/state.json': JSON.stringify(EMPTY_STATE), 'a/notes.txt': 'mine\n' },
  },
};

async function folderWith(test: TestContext, files: Files): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'changeover-folder-'));
  test.after(() => rm(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

function contentsOf(dir: string): Files {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path.slice(dir.length + 1), readFileSync(path, 'utf8')];
    }),
  );
}

function isRefusal(error: unknown): boolean {
  assert.ok(error instanceof ChangeoverError, String(error));
  assert.equal(error.code, 'config');
  assert.match(error.message, /not the data folder of a stack|not the state file of a stack/);
  assert.match(error.hint ?? '', /folder/);
  return true;
}

const open = (dir: string): Promise<Stack<'redis'>> => openStack({ dir, services: ['redis'] });

describe('a folder that is not a stack’s', () => {
  for (const [name, files] of Object.entries(FOREIGN)) {
    it(`is left as it is: ${name}`, async (test) => {
      const dir = await folderWith(test, files);
      chmodSync(dir, 0o700);
      const stack = await open(dir);
      await assert.rejects(stack.exists(), isRefusal);
      await assert.rejects(stack.up(), isRefusal);
      await assert.rejects(stack.reset(), isRefusal);
      assert.deepEqual(contentsOf(dir), files);
      assert.equal(statSync(dir).mode & 0o777, 0o700);
    });
  }

  it('keeps its pid files when it is named to `down`', async (test) => {
    const files = { 'run/redis.pid': '1\n', 'run/postgres.pid': '' };
    const dir = await folderWith(test, files);
    await (await open(dir)).down();
    assert.deepEqual(contentsOf(dir), files);
  });

  it('is no place for a demo, which says so before it reads or writes anything', async (test) => {
    const files = { 'state.json': '{"page": 1}\n', 'logs/today.log': 'mine\n', 'rejected.ndjson': 'mine\n' };
    const dir = await folderWith(test, files);
    for (const command of [['demo'], ['stack', 'up'], ['stack', 'reset']]) {
      const { code, stderr } = await cli([...command, '--dir', dir]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /not the state file of a stack.*\n.*→ Choose another data folder/);
    }
    assert.deepEqual(contentsOf(dir), files);
  });

  it('may be a file, or may not be there', async (test) => {
    const dir = await folderWith(test, { file: '' });
    await assert.rejects((await open(join(dir, 'file'))).up(), /is not a folder/);
    const absent = await open(join(dir, 'absent/too'));
    assert.equal(await absent.exists(), false);
    await absent.reset();
    assert.deepEqual(readdirSync(dir), ['file']);
  });
});

describe('a folder in which a stack may be started', () => {
  for (const [name, { at, files }] of Object.entries(FREE)) {
    it(`is one that was left by ${name}`, async (test) => {
      const dir = await folderWith(test, { ...files, 'notes.txt': 'mine\n' });
      assert.equal(await (await open(join(dir, at))).exists(), false);
    });
  }

  it('is an empty one', async (test) => {
    assert.equal(await isStackFolder(await folderWith(test, {})), false);
  });

  it('is passable for others when we made it, and keeps its permissions when it was there', async (test) => {
    const dir = await folderWith(test, {});
    const mask = process.umask(0o077);
    test.after(() => process.umask(mask));
    chmodSync(dir, 0o750);
    await makeStackFolder(dir);
    await makeStackFolder(join(dir, 'made'));
    assert.equal(statSync(dir).mode & 0o777, 0o750);
    assert.equal(statSync(join(dir, 'made')).mode & 0o777, 0o711);
  });
});

describe('deleting a stack’s folder', () => {
  it('takes what the stack and its caller made, and is repeated after an interruption', async (test) => {
    const dir = await folderWith(test, { 'logs/redis.log': '', 'changeover.yaml': '', 'state.json.new': '' });
    await writeState(dir, STARTED);
    writeFileSync(join(dir, 'state.json.new'), '{"form');
    await deleteStackFolder(dir, ['changeover.yaml']);
    assert.equal(existsSync(dir), false);
    await deleteStackFolder(dir, ['changeover.yaml']);
  });

  it('leaves the rest in a folder in which a stack can be started again', async (test) => {
    const dir = await folderWith(test, { 'logs/redis.log': '', 'society.json': '{}' });
    await writeState(dir, STARTED);
    await deleteStackFolder(dir, ['changeover.yaml']);
    assert.deepEqual(readdirSync(dir).sort(), ['society.json', 'state.json']);
    assert.equal(await isStackFolder(dir), false);
    await rm(join(dir, 'society.json'));
    await deleteStackFolder(dir, []);
    assert.equal(existsSync(dir), false);
  });
});
