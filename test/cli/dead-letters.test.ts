import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../cli/config.ts';
import { detailLines, letterDetails } from '../../cli/output/dead-letter-details.ts';
import { letterTable, previewTable, redrivenTable } from '../../cli/output/dead-letter-table.ts';
import { changeOf, type FoundAgain } from '../../consumers/dead-letters/find-again.ts';
import { foldLetters, type Letter } from '../../consumers/dead-letters/letters.ts';
import { createMask, maskedJson } from '../../consumers/dead-letters/mask.ts';
import type { DeadLetter } from '../../log/log.ts';
import { createCodec } from '../../schemas/codec.ts';
import { upsert } from '../support/changes.ts';
import { HOSTILE_TEXTS } from '../support/entities.ts';

const codec = createCodec();
const ESCAPE = '\u001b[2J\u001b]0;title\u0007\r\n\u202e';

const statement = (more: Partial<DeadLetter> = {}): DeadLetter => ({
  sink: 'target.postgres',
  kind: 'agent',
  partition: 3,
  offset: 1_042,
  key: 'ada',
  class: 'rejected',
  reason: 'too odd',
  version: 7,
  payloadSha256: 'ab'.repeat(32),
  payloadForm: 'none',
  payload: null,
  refusedAt: 1_700_000_000_000_000,
  resolution: null,
  ...more,
});

function letter(more: Partial<DeadLetter> = {}): Letter {
  const [folded] = foldLetters([statement(more)]);
  return folded ?? assert.fail();
}

function foundWith(value: Buffer, more: Partial<DeadLetter> = {}): FoundAgain {
  return { letter: letter(more), record: undefined, value, from: 'the log', missing: undefined };
}

const ADA = upsert(
  'agent',
  { id: 'ada', type: 'citizen', active: true, attributes: { name: 'Ada Lovelace', age: 36 } },
  7,
);

describe('the configuration of dead letters', () => {
  const parse = (deadLetters: unknown) => configSchema.safeParse({ deadLetters });

  it('records by default, and keeps nothing of a change but its hash', () => {
    const { mode, payload, mask } = configSchema.parse({}).deadLetters;
    assert.deepEqual([mode, payload, mask], ['record', 'none', []]);
  });

  it('does not take a mask that would mask nothing', () => {
    assert.match(String(parse({ mask: ['agent.nmae'] }).error), /agent has no field nmae; it has id, type/);
    assert.equal(parse({ mask: ['q-value.*', 'embedding.metadata.mood'] }).success, true);
    assert.equal(parse({ payload: 'masked', mask: ['agent.attributes.name'] }).success, true);
    assert.match(
      String(parse({ payload: 'full', mask: ['agent.attributes.name'] }).error),
      /full keeps every field/,
    );
    for (const field of ['name', 'agents.name', 'agent', 'agent.']) {
      assert.match(String(parse({ mask: [field] }).error), /must be a kind, a dot and a field/, field);
    }
  });
});

describe('what is printed of dead letters', () => {
  it('never holds what a terminal would obey, whoever wrote it', () => {
    const texts = [ESCAPE, ...HOSTILE_TEXTS];
    for (const text of texts) {
      const odd = letter({ key: text, reason: text });
      const preview = {
        letter: odd,
        outcome: 'refused',
        reason: text,
        held: null,
        offered: 1,
        changes: [text],
      } as const;
      const found = foundWith(Buffer.from(text), { key: text, reason: text });
      const details = letterDetails(found, changeOf(found, codec), { mask: createMask([]), raw: true });
      const printed = [
        letterTable([odd]),
        redrivenTable([preview]),
        previewTable([preview]),
        detailLines(details),
      ];
      for (const each of printed) assert.doesNotMatch(each.replaceAll('\n', ''), /[\p{Cc}\p{Bidi_Control}]/u);
    }
  });

  it('is masked as configured, and then shows no bytes of which nobody can say what they are', () => {
    const mask = createMask(['agent.attributes.name']);
    const found = foundWith(codec.encode(ADA));
    const shown = JSON.stringify(letterDetails(found, changeOf(found, codec), { mask, raw: false }));
    assert.doesNotMatch(shown, /Lovelace/);
    assert.match(shown, /"age":36/);
    const strange = foundWith(Buffer.from('Ada Lovelace'), { class: 'unreadable' });
    const bytes = JSON.stringify(letterDetails(strange, changeOf(strange, codec), { mask, raw: false }));
    assert.doesNotMatch(bytes, new RegExp(`Lovelace|${Buffer.from('Lovelace').toString('hex')}`));
    const raw = letterDetails(strange, changeOf(strange, codec), { mask: createMask([]), raw: true });
    assert.equal(raw.hex, Buffer.from('Ada Lovelace').toString('hex'));
  });
});

describe('a letter whose record has expired', () => {
  it('shows what it kept of it', () => {
    const mask = createMask(['agent.attributes.name']);
    const kept = letter({ payloadForm: 'masked', payload: maskedJson(ADA, mask) });
    const found: FoundAgain = {
      letter: kept,
      record: undefined,
      value: null,
      from: 'nowhere',
      missing: 'the log does not hold the record any more',
    };
    const lines = detailLines(letterDetails(found, changeOf(found, codec), { mask, raw: false }));
    assert.match(lines, /unreadable: the log does not hold the record any more/);
    assert.match(lines, /keptChange:.*age: 36/s);
    assert.doesNotMatch(lines, /Lovelace/);
  });
});

describe('letters about one record', () => {
  it('are one, of which the last word counts; the payload is the one that was kept at the refusal', () => {
    const payload = Buffer.from('kept');
    const resolution = { state: 'dropped', by: 'ada', note: 'no', at: 9 } as const;
    const first = statement({ payloadForm: 'full', payload });
    const folded = foldLetters([
      first,
      statement({ sink: 'target.neo4j' }),
      statement({ refusedAt: first.refusedAt + 5, payloadForm: 'full', payload }),
      statement({ resolution }),
    ]);
    assert.deepEqual(
      folded.map(({ id, state }) => [id, state]),
      [
        ['neo4j/agent/3/1042', 'open'],
        ['postgres/agent/3/1042', 'dropped'],
      ],
    );
    assert.deepEqual([folded[1]?.payloadForm, folded[1]?.payload], ['full', payload]);
    assert.equal(folded[1]?.firstRefusedAt, first.refusedAt);
  });

  it('are not mixed up with those about another record that stands at the same place in a topic made anew', () => {
    const [folded] = foldLetters([
      statement({ payloadForm: 'full', payload: Buffer.from('old') }),
      statement({ payloadSha256: 'cd'.repeat(32), refusedAt: 1_800_000_000_000_000 }),
    ]);
    assert.deepEqual([folded?.payloadForm, folded?.payload], ['none', null]);
    assert.equal(folded?.firstRefusedAt, 1_800_000_000_000_000);
  });
});
