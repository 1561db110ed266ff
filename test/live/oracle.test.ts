import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Evidence, HeldState, LogEntry, TargetState, ViolationName, Write } from './evidence.ts';
import { judge } from './oracle.ts';

/** A sound run of one key and its planted fault: the oracle has to name what is wrong, and nothing when nothing is. */

const V = 1_800_000_000_000_000;
const ONE = { kind: 'q-value', key: '["a","s",1]' } as const;

function write(token: number, content: string | null, parts: Partial<Write> = {}): Write {
  const open = { rejected: false, eventId: null };
  return {
    ...ONE,
    token,
    content,
    askedAt: token * 10,
    acknowledgedAt: token * 10 + 5,
    version: V + token,
    ...open,
    ...parts,
  };
}

function entry(
  offset: number,
  version: number,
  content: string | null,
  parts: Partial<LogEntry> = {},
): LogEntry {
  return {
    ...ONE,
    partition: 0,
    offset,
    version,
    content,
    op: content === null ? 'd' : 'u',
    path: 'shim',
    eventId: `event ${version}`,
    ...parts,
  };
}

function target(held: HeldState | undefined, name = 'target.postgres'): TargetState {
  const states = new Map(held === undefined ? [] : [[`${ONE.kind} ${ONE.key}`, held]]);
  return { name, kinds: ['q-value'], states };
}

/** First state A; then B is written, deleted, and C written. */
const SOUND: Evidence = {
  initial: [{ ...ONE, content: 'A' }],
  writes: [write(1, 'B'), write(2, null), write(3, 'C')],
  log: [
    entry(0, 1, 'A', { path: 'backfill', op: 'r' }),
    entry(1, V + 1, 'B'),
    entry(2, V + 2, null),
    entry(3, V + 3, 'C'),
  ],
  targets: [target({ version: V + 3, content: 'C' })],
  decreases: [],
};

const DELETED: Evidence = {
  ...SOUND,
  writes: SOUND.writes.slice(0, 2),
  log: SOUND.log.slice(0, 3),
  targets: [target({ version: V + 2, content: null })],
};

function names(evidence: Evidence): readonly ViolationName[] {
  return [...new Set(judge(evidence).violations.map(({ name }) => name))];
}

describe('the oracle of the live runs', () => {
  it('finds nothing where nothing is wrong', () => {
    assert.deepEqual(judge(SOUND).violations, []);
    assert.deepEqual(judge(DELETED).violations, []);
    const again = [...SOUND.log, entry(4, V + 2, null), entry(5, V + 3, 'C')];
    assert.deepEqual(judge({ ...SOUND, log: again }).violations, [], 'what is published again is harmless');
  });

  it('accepts a write that nobody heard of either way, but not half of it', () => {
    const open = write(4, 'D', { acknowledgedAt: null, version: null });
    const undone = { ...SOUND, writes: [...SOUND.writes, open] };
    assert.deepEqual(judge(undone).violations, []);
    const log = [...SOUND.log, entry(4, V + 4, 'D')];
    assert.deepEqual(names({ ...undone, log }), ['lost'], 'it is in the log and not in the target');
    assert.deepEqual(
      judge({ ...undone, log, targets: [target({ version: V + 4, content: 'D' })] }).violations,
      [],
    );
    assert.deepEqual(
      names({ ...undone, targets: [target({ version: V + 4, content: 'D' })] }),
      ['invented'],
      'it is in the target and not in the log',
    );
  });

  const losses: readonly (readonly [string, Evidence])[] = [
    ['the target has never heard of it', { ...SOUND, targets: [target(undefined)] }],
    ['the target holds an older state', { ...SOUND, targets: [target({ version: V + 1, content: 'B' })] }],
    ['the target holds the first state', { ...SOUND, targets: [target({ version: 1, content: 'A' })] }],
    ['one of two targets lacks it', { ...SOUND, targets: [...SOUND.targets, target(undefined, 'other')] }],
    ['a tombstone is missing', { ...DELETED, targets: [target(undefined)] }],
    [
      'the log lacks what was acknowledged',
      { ...SOUND, log: SOUND.log.filter(({ offset }) => offset !== 1) },
    ],
    ['the log lacks a delete', { ...SOUND, log: SOUND.log.filter(({ offset }) => offset !== 2) }],
    [
      'the log lacks a delete that was acknowledged without a version',
      {
        ...SOUND,
        writes: SOUND.writes.map((each) => ({ ...each, version: null })),
        log: SOUND.log.filter(({ offset }) => offset !== 2),
      },
    ],
    [
      'the log lacks what a backfill saw in the store',
      {
        ...SOUND,
        writes: [...SOUND.writes, write(4, 'D', { acknowledgedAt: null, version: null })],
        log: [...SOUND.log, entry(4, V + 3, 'D', { path: 'backfill', op: 'r' })],
      },
    ],
    [
      'a key that no application touched is missing',
      { ...SOUND, writes: [], log: SOUND.log.slice(0, 1), targets: [target(undefined)] },
    ],
  ];
  for (const [what, evidence] of losses) {
    it(`finds a loss: ${what}`, () => assert.ok(names(evidence).includes('lost'), names(evidence).join()));
  }

  it('finds a resurrection', () => {
    for (const held of [
      { version: V + 1, content: 'B' },
      { version: 1, content: 'A' },
      { version: V + 2, content: 'B' },
      { version: V + 9, content: 'B' },
    ]) {
      assert.deepEqual(names({ ...DELETED, targets: [target(held)] }), ['resurrected']);
    }
  });

  const inventions: readonly (readonly [string, Evidence])[] = [
    ['another content', { ...SOUND, targets: [target({ version: V + 3, content: 'c' })] }],
    ['a later version', { ...SOUND, targets: [target({ version: V + 9, content: 'C' })] }],
    [
      'an older state under the newest version',
      { ...SOUND, targets: [target({ version: V + 3, content: 'B' })] },
    ],
    [
      'a key that nobody wrote',
      {
        ...SOUND,
        targets: [
          { ...target(undefined), states: new Map([['q-value ["x","y",1]', { version: 1, content: 'A' }]]) },
        ],
      },
    ],
    ['a state in the log that nobody asked for', { ...SOUND, log: [...SOUND.log, entry(4, V + 4, 'X')] }],
    [
      'a delete in the log that nobody asked for',
      { ...DELETED, log: [...DELETED.log, entry(4, V + 4, null)] },
    ],
    [
      'a write that was rejected',
      {
        ...SOUND,
        writes: [...SOUND.writes, write(4, 'D', { acknowledgedAt: null, version: null, rejected: true })],
        log: [...SOUND.log, entry(4, V + 4, 'D')],
      },
    ],
    [
      'a label that is newer than its content',
      { ...SOUND, log: [...SOUND.log, entry(4, V + 3, 'B', { path: 'backfill', op: 'r' })] },
    ],
    [
      'a first state with the version of a write',
      { ...SOUND, log: [...SOUND.log, entry(4, V + 3, 'A', { path: 'backfill', op: 'r' })] },
    ],
  ];
  for (const [what, evidence] of inventions) {
    it(`finds an invention: ${what}`, () =>
      assert.ok(names(evidence).includes('invented'), names(evidence).join()));
  }

  it('lets a backfill read content that is newer than its label', () => {
    const log = [...SOUND.log, entry(4, V + 1, 'C', { path: 'backfill', op: 'r' })];
    assert.deepEqual(judge({ ...SOUND, log }).violations, []);
  });

  it('finds versions that went down', () => {
    const decreases = [{ target: 'target.milvus', ...ONE, from: V + 2, to: V + 1 }];
    assert.deepEqual(names({ ...SOUND, decreases }), ['decreased']);
  });

  it('finds versions that do not tell the order of what happened', () => {
    const [first, second, third] = SOUND.log.slice(1);
    assert.ok(first && second && third);
    const shuffled = [SOUND.log[0], { ...second, offset: 1 }, { ...first, offset: 2 }, third] as LogEntry[];
    assert.deepEqual(names({ ...SOUND, log: shuffled }), ['disordered']);
    const other = [...SOUND.log, entry(4, V + 3, 'C', { eventId: 'another' })];
    assert.deepEqual(names({ ...SOUND, log: other }), ['disordered']);
    const late = {
      ...SOUND,
      writes: SOUND.writes.map((each) =>
        each.token === 3 ? { ...each, askedAt: 1, acknowledgedAt: 2 } : each,
      ),
    };
    assert.deepEqual(
      names(late),
      ['disordered'],
      'the newest version was acknowledged before the others were asked for',
    );
    const same = [...SOUND.writes, write(4, 'D', { version: V + 3 })];
    assert.ok(names({ ...SOUND, writes: same }).includes('disordered'), 'two writes have one version');
  });

  it('finds a write that was done twice', () => {
    const log = [...SOUND.log, entry(4, V + 4, 'C')];
    assert.ok(
      names({ ...SOUND, log, targets: [target({ version: V + 4, content: 'C' })] }).includes('doubled'),
    );
    const gone = [...DELETED.log, entry(4, V + 4, null, { eventId: `event ${V + 2}` })];
    assert.ok(names({ ...DELETED, log: gone }).includes('doubled'), 'a delete, by its event id');
  });

  const TIE = { kind: 'relationship', key: '["a","KNOWS","b"]' } as const;
  const AGENT = { kind: 'agent', key: 'a' } as const;
  const cascade: Evidence = {
    initial: [
      { ...TIE, content: 'T' },
      { ...AGENT, content: 'A' },
    ],
    writes: [write(2, null, AGENT)],
    log: [entry(0, V + 1, null, TIE), entry(0, V + 2, null, AGENT)],
    targets: [
      {
        name: 'target.neo4j',
        kinds: ['agent', 'relationship'],
        states: new Map([
          ['relationship ["a","KNOWS","b"]', { version: V + 1, content: null }],
          ['agent a', { version: V + 2, content: null }],
        ]),
      },
    ],
    decreases: [],
  };

  it('expects an agent to take its relationships along', () => {
    assert.deepEqual(judge(cascade).violations, []);
    const [, own] = cascade.log;
    assert.ok(own);
    assert.ok(names({ ...cascade, log: [own] }).includes('lost'));
    const many = [entry(9, V + 5, null, TIE), ...cascade.log];
    assert.ok(
      names({ ...cascade, log: many }).includes('invented'),
      'one delete of an agent takes it along once',
    );
  });
});
