import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { RejectedItem } from '../../connectors/connector.ts';
import { toJson } from '../../core/json.ts';
import { openGeneratedSociety } from '../../society/generator/generate-society.ts';
import type { LegacyAgent } from '../../society/legacy-shapes.ts';
import { writeDictionary, writeSocietyFiles } from '../../society/loaders/society-files.ts';
import { readDictionaryFile } from '../../society/readers/dictionary-file.ts';
import { jsonMembers } from '../../society/readers/json-members.ts';
import { openSocietyFiles, societyFilesIn } from '../../society/readers/open-society-files.ts';
import { agentOf, failOnRejected, HARD_NUMBERS, HARD_TEXTS, societyOf } from './in-memory-society.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-dictionary-'));
after(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => join(folder, name);

async function read(path: string) {
  const rejected: RejectedItem[] = [];
  const agents = await Array.fromAsync(readDictionaryFile(path, (item) => rejected.push(item)));
  return { agents, rejected };
}

const HARD_AGENTS: readonly LegacyAgent[] = HARD_TEXTS.map((text, index) => {
  const friend = HARD_TEXTS[(index + 1) % HARD_TEXTS.length] ?? '';
  return agentOf(text, {
    attributes: {
      ...Object.fromEntries(HARD_NUMBERS.map((number, place) => [`n${place}`, number])),
      [text]: text,
    },
    memory: { friends: [friend], relationships: { [friend]: -0 }, relation_types: { [friend]: 'FRIEND' } },
  });
});

test('a dictionary is written as one JSON object, one agent a line, and read back to the last bit', async () => {
  const path = inFolder('hard.json');
  const counts = await writeDictionary(societyOf({ agents: HARD_AGENTS }), path);
  assert.deepEqual(counts, { agents: HARD_AGENTS.length, relationships: HARD_AGENTS.length });
  const text = readFileSync(path, 'utf8');
  assert.deepEqual(Object.values(JSON.parse(text) as object), HARD_AGENTS);
  assert.equal(text.split('\n').length, HARD_AGENTS.length + 3);
  const { agents, rejected } = await read(path);
  assert.deepEqual([agents, rejected], [HARD_AGENTS, []]);
});

test('a dictionary of nobody is an empty object', async () => {
  await writeDictionary(societyOf({}), inFolder('empty.json'));
  assert.deepEqual(JSON.parse(readFileSync(inFolder('empty.json'), 'utf8')), {});
  assert.deepEqual(await read(inFolder('empty.json')), { agents: [], rejected: [] });
});

test('a dictionary that was read from a file is copied as it is, faults and all', async () => {
  const original = `{"a": {"id": "a", "x": 1e400},\n "b": 5, "a": {}, "c": {"attributes": {"age": 1}}`;
  const rejected: RejectedItem[] = [];
  for (const [name, content] of [
    ['copy.json', original],
    ['copy.json.gz', gzipSync(original)],
  ] as const) {
    writeFileSync(inFolder(name), content);
    const society = await openSocietyFiles({ dictionary: inFolder(name) }, (item) => rejected.push(item));
    const counts = await writeDictionary(society, inFolder('copied.json'));
    assert.equal(readFileSync(inFolder('copied.json'), 'utf8'), original);
    assert.deepEqual(counts, { agents: 3, relationships: 0 });
  }
  assert.equal(rejected.length, 4);
});

test('half of a dictionary is never left where the whole one belongs', async () => {
  async function* failing(): AsyncGenerator<LegacyAgent> {
    yield agentOf('a');
    throw new Error('no more');
  }
  const society = { ...societyOf({}), agents: failing };
  const path = inFolder('half.json');
  await assert.rejects(writeDictionary(society, path), /no more/);
  assert.ok(!readdirSync(folder).some((name) => name.startsWith('half')));
  await writeDictionary(societyOf({}), path);
  await assert.rejects(writeDictionary(society, path), /no more/);
  assert.equal(readFileSync(path, 'utf8'), '{}\n');
});

test('the files of a society are opened again as the same society', async () => {
  const society = openGeneratedSociety({ agents: 60, seed: 5, dimension: 8, learners: 0.1 });
  await writeSocietyFiles(society, inFolder('society'));
  const reopened = await openSocietyFiles(await societyFilesIn(inFolder('society')), failOnRejected);
  assert.deepEqual(
    (await Array.fromAsync(reopened.agents())).map(toJson),
    (await Array.fromAsync(society.agents())).map(toJson),
  );
  assert.deepEqual(await Array.fromAsync(reopened.memories()), await Array.fromAsync(society.memories()));
  assert.deepEqual(await Array.fromAsync(reopened.learning()), await Array.fromAsync(society.learning()));
});

test('a bad agent or friendship is named with its line, and the rest goes on', async () => {
  const agent = (id: string, more = '') => `"${id}":{"id":"${id}","type":"t","active":true${more}}`;
  const lines: readonly (readonly [string, RegExp?])[] = [
    [agent('good')],
    ['"broken":{"id":}', /is not JSON/],
    ['"list":[]', /agent "list" is not an object/],
    ['"five":{"id":5}', /another id inside: 5/],
    ['"other":{"id":"else"}', /another id inside: "else"/],
    ['"typed":{"type":3}', /type is not a string/],
    ['"asleep":{"active":"no"}', /active is neither/],
    ['"":{}', /id is empty/],
    ['"nul\\u0000":{}', /NUL/],
    [agent('attributes', ',"attributes":7'), /attributes of agent "attributes"/],
    [agent('nested', ',"attributes":{"a":{}}'), /attributes.a is not/],
    [agent('friends', ',"memory":{"friends":"all"}'), /friends is not an array/],
    [
      agent('strong', ',"memory":{"friends":["good"],"relationships":{"good":101}}'),
      /"good" of agent "strong".*101/,
    ],
    [agent('twice', ',"memory":{"friends":["good","good"]}'), /listed twice/],
    [agent('number', ',"memory":{"friends":[7]}'), /friend 7 of agent "number"/],
    [
      agent('type', ',"memory":{"friends":["good"],"relation_types":{"good":"a b"}}'),
      /is not a name of letters/,
    ],
    [agent('bare', ',"attributes":{"a":null},"memory":null')],
  ];
  const path = inFolder('bad.json');
  writeFileSync(path, `{\n${lines.map(([line]) => line).join(',\n')}\n}\n`);
  const { agents, rejected } = await read(path);
  assert.deepEqual(
    agents.map((found) => found.id),
    ['good', 'strong', 'twice', 'number', 'type', 'bare'],
  );
  assert.deepEqual(
    agents.map((found) => found.memory.friends.length),
    [0, 0, 1, 0, 0, 0],
  );
  assert.deepEqual(agents.at(-1)?.attributes, {});
  const faulty = [...lines.entries()].filter(([, [, reason]]) => reason !== undefined);
  for (const [place, [index, [, reason]]] of faulty.entries()) {
    assert.equal(rejected[place]?.where, `${path}, line ${index + 2}`);
    assert.match(rejected[place]?.reason ?? 'nothing', reason ?? /never/);
  }
  assert.equal(rejected.length, faulty.length);
});

test('a dictionary with a truncated end gives what comes before, and names the line of the end', async () => {
  const path = inFolder('cut.json');
  await writeDictionary(societyOf({ agents: HARD_AGENTS }), inFolder('whole.json'));
  const whole = readFileSync(inFolder('whole.json'));
  const lastLine = whole.lastIndexOf('\n', whole.length - 4);
  writeFileSync(path, whole.subarray(0, lastLine + 30));
  const { agents, rejected } = await read(path);
  assert.equal(agents.length, HARD_AGENTS.length - 1);
  assert.deepEqual(
    rejected.map((item) => item.where),
    [`${path}, line ${HARD_AGENTS.length + 1}`],
  );
  for (const [content, reason] of [
    ['', /empty/],
    ['[]', /not a JSON object/],
    ['{} {', /follows the end/],
  ] as const) {
    writeFileSync(path, content);
    assert.match((await read(path)).rejected[0]?.reason ?? 'nothing', reason);
  }
});

test('members are found wherever the pieces of the file are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ noUnicodeString: false }), {
        maxKeys: 8,
      }),
      fc.constantFrom(undefined, 1, '\t'),
      fc.integer({ min: 1, max: 40 }),
      async (object, indent, size) => {
        const text = JSON.stringify(object, null, indent);
        const members = await Array.fromAsync(jsonMembers(pieces(Buffer.from(text), size)));
        const found = members.map((member) =>
          'value' in member ? [member.name, member.value] : member.fault,
        );
        assert.deepEqual(found, Object.entries(JSON.parse(text) as object));
      },
    ),
  );
});

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
