import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { currentSchema, parseSchema, rabinFingerprint } from '../../schemas/avro.ts';
import type { Change } from '../../schemas/change.ts';
import { createCodec } from '../../schemas/codec.ts';
import { differences } from '../../schemas/differences.ts';
import { openSingleObjectFraming } from '../../schemas/framing.ts';
import { KINDS, SCHEMA_NAMES } from '../../schemas/kinds.ts';
import { removal, upsert } from '../support/changes.ts';
import { HOSTILE_SCALARS, HOSTILE_TEXTS, sampleEntity, sampleKey } from '../support/entities.ts';

const codec = createCodec();

function reread(change: Change): Change {
  const read = codec.decode(change.kind, change.key, codec.encode(change));
  // avsc gives records a class of their own; what counts is what they hold.
  return { ...read, origin: { ...read.origin } } as Change;
}

for (const kind of KINDS) {
  describe(`a change of ${kind} through the codec`, () => {
    it('comes back as it was, hostile text and numbers too', () => {
      for (const name of HOSTILE_TEXTS) {
        const entity = sampleEntity(kind, { name, scalars: HOSTILE_SCALARS });
        const change = { ...upsert(kind, entity, 1_700_000_000_000_001), before: entity } as Change;
        const read = reread(change);
        assert.ok(read.after !== null && read.before !== null);
        assert.deepEqual(differences(read.after as typeof entity, entity), []);
        assert.deepEqual(differences(read.before as typeof entity, entity), []);
        assert.deepEqual({ ...read, after: null, before: null }, { ...change, after: null, before: null });
      }
    });

    it('comes back as a delete', () => {
      const change = removal(kind, sampleKey(kind, 'gone'), 9);
      assert.deepEqual({ ...reread(change) }, { ...change });
    });

    it('is refused when any byte is missing or one is too many', () => {
      const change = upsert(kind, sampleEntity(kind, { name: 'whole', variant: 2 }), 5);
      const bytes = codec.encode(change);
      for (let length = 0; length < bytes.byteLength; length++) {
        assert.throws(
          () => codec.decode(kind, change.key, bytes.subarray(0, length)),
          /Cannot read a change/,
        );
      }
      const longer = Buffer.concat([bytes, Buffer.from([0])]);
      assert.throws(() => codec.decode(kind, change.key, longer), /its length is not what its schema says/);
    });
  });
}

it('a vector may stand anywhere in any bytes, not only in a Buffer', () => {
  const entity = sampleEntity('embedding', { name: 'plain bytes' });
  const around = new Uint8Array(entity.vector.byteLength + 6);
  around.set(entity.vector, 3);
  const vector = around.subarray(3, 3 + entity.vector.byteLength);
  const read = reread({
    ...upsert('embedding', { ...entity, vector }, 7),
    before: { ...entity, vector },
  } as Change);
  assert.ok(read.kind === 'embedding' && read.after !== null && read.before !== null);
  assert.deepEqual(differences(read.after, entity), []);
  assert.deepEqual(differences(read.before, entity), []);
});

it('random bytes are refused, never half read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(...KINDS), (bytes, kind) => {
      assert.throws(() => codec.decode(kind, 'k', Buffer.from(bytes)), { code: 'change-rejected' });
    }),
  );
});

it('a value of unbelievable size is refused before it is read', () => {
  const small = createCodec({ maxValueBytes: 100 });
  assert.throws(() => small.decode('agent', 'k', Buffer.alloc(101)), /101 bytes, more than 100/);
});

it('a change that says delete and has a state, or the other way round, is refused', () => {
  const change = { ...upsert('agent', sampleEntity('agent', { name: 'a' }), 5), op: 'd' } as Change;
  assert.throws(() => reread(change), /wrong kind of "after"/);
});

it('a value of a schema that is not known here is refused by its fingerprint', () => {
  const bytes = codec.encode(upsert('agent', sampleEntity('agent', { name: 'a' }), 5));
  assert.throws(() => codec.decode('policy', 'a', bytes), /not known here \([0-9a-f]{16}\)/);
});

it('a value that an older schema wrote is read as the current one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'changeover-history-'));
  try {
    // The older schema: versions were ints, attributes had no booleans, and nobody knew when it was captured.
    const older = JSON.parse(await readFile(new URL('../../schemas/agent.avsc', import.meta.url), 'utf8'));
    for (const field of older.fields) if (field.name === 'version') field.type = 'int';
    older.fields[1].type[1].fields[3].type.values = ['string', 'double'];
    older.fields.push({ name: 'forgotten', type: 'string' });
    await writeFile(join(folder, 'agent.1.avsc'), JSON.stringify(older));
    const writer = parseSchema(JSON.stringify(older));
    const entity = { id: 'a', type: 'citizen', active: true, attributes: { age: 7, name: 'Ada' } };
    const wire = {
      op: 'c',
      before: null,
      after: entity,
      version: 41,
      event_id: 'e',
      ts_us: 3,
      forgotten: 'x',
    };
    const body = writer.toBuffer({ ...wire, origin: { path: 'shim', store: 's', writer: 'w' } });
    const value = Buffer.concat([Buffer.from([0xc3, 0x01]), rabinFingerprint(writer), body]);

    const framing = openSingleObjectFraming(KINDS, pathToFileURL(`${folder}/`));
    const read = createCodec({ framing }).decode('agent', 'a', value);
    assert.equal(read.version, 41);
    assert.deepEqual(differences<'agent'>(read.after as typeof entity, entity), []);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('the fingerprints of the schemas are the ones that topics already carry', async () => {
  const committed = JSON.parse(
    await readFile(new URL('../../schemas/fingerprints.json', import.meta.url), 'utf8'),
  );
  for (const name of SCHEMA_NAMES) {
    assert.equal(rabinFingerprint(currentSchema(name)).toString('hex'), committed[name], name);
  }
});

it('the fingerprint is the one of the Avro specification', () => {
  const known = { '"null"': '63dd24e7cc258f8a', '"int"': '7275d51a3f395c8f' };
  for (const [schema, expected] of Object.entries(known)) {
    assert.equal(rabinFingerprint(parseSchema(schema)).readBigUInt64LE().toString(16), expected);
  }
});
