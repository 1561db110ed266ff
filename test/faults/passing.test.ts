import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAULTS } from './catalogue.ts';
import { isPassing } from './passing.ts';
import { NOTICED_WITHIN_MS, type OutOfReach, Reach } from './reach.ts';

const UNREACHABLE = 6;
const HOLES = 4;

/** A reach whose time stands still, and goes on as it is told. */
function reachAt(): { readonly reach: Reach; later(ms: number): void } {
  let nowMs = 0;
  return {
    reach: new Reach(() => nowMs),
    later: (ms) => {
      nowMs += ms;
    },
  };
}

function during(outOfReach: OutOfReach): Reach {
  const { reach } = reachAt();
  reach.begin(outOfReach);
  return reach;
}

describe('a process that says that a server does not answer', () => {
  const run = { role: 'run', store: undefined, code: UNREACHABLE, said: '', present: undefined } as const;

  it('is a failure where no fault takes a server away', () => {
    assert.equal(isPassing({ ...run, reach: reachAt().reach }), false);
    assert.equal(isPassing({ ...run, reach: during({}) }), false);
  });

  it('is excused while one of its own servers is out of reach', () => {
    assert.ok(isPassing({ ...run, reach: during({ cut: ['postgres'] }) }));
    assert.ok(isPassing({ ...run, reach: during({ down: ['kafka'] }) }));
  });

  it('is a failure when it had begun to follow: then it waits', () => {
    const said = 'target.postgres follows agent, policy in group x.target.postgres';
    assert.equal(isPassing({ ...run, said, reach: during({ down: ['postgres'] }) }), false);
  });

  it('is a failure while a server is out of reach that it does not talk to', () => {
    assert.equal(isPassing({ ...run, reach: during({ down: ['redis'] }) }), false);
    const relay = { ...run, role: 'relay', store: 'redis' } as const;
    assert.equal(isPassing({ ...relay, reach: during({ cut: ['neo4j'] }) }), false);
    assert.ok(isPassing({ ...relay, reach: during({ cut: ['redis'] }) }));
    const writer = { ...run, role: 'writer', store: 'dictionary' } as const;
    assert.equal(isPassing({ ...writer, reach: during({ down: ['kafka', 'neo4j', 'redis'] }) }), false);
  });

  it('is excused for a short time afterwards, and then no more', () => {
    const { reach, later } = reachAt();
    reach.begin({ cut: ['neo4j'] });
    later(1_000_000);
    assert.ok(isPassing({ ...run, reach }), 'while it lasts, however long that is');
    reach.end();
    later(NOTICED_WITHIN_MS);
    assert.ok(isPassing({ ...run, reach }));
    later(1);
    assert.equal(isPassing({ ...run, reach }), false);
  });

  it('is excused for that time also when the next fault has begun', () => {
    const { reach, later } = reachAt();
    reach.begin({ cut: ['neo4j'] });
    later(10);
    reach.begin({ cut: ['redis'] });
    assert.ok(isPassing({ ...run, reach }));
    later(NOTICED_WITHIN_MS + 1);
    assert.equal(isPassing({ ...run, reach }), false);
  });
});

describe('a process that ends otherwise', () => {
  it('is excused as the present fault has it, and as no other', () => {
    const full = { role: 'writer', store: 'dictionary', code: 10, said: '', reach: during({}) } as const;
    assert.ok(isPassing({ ...full, present: { mayEndWith: [10] } }));
    assert.equal(isPassing({ ...full, present: {} }), false);
    assert.equal(isPassing({ ...full, present: undefined }), false);
  });

  it('is excused as a backfill with holes only while a source is out of reach', () => {
    const backfill = {
      role: 'backfill',
      store: undefined,
      code: HOLES,
      said: '',
      present: undefined,
    } as const;
    assert.ok(isPassing({ ...backfill, reach: during({ cut: ['redis'] }) }));
    assert.equal(isPassing({ ...backfill, reach: during({ down: ['milvus', 'postgres'] }) }), false);
    assert.equal(isPassing({ ...backfill, role: 'run', reach: during({ cut: ['kafka'] }) }), false);
  });

  it('is a failure when a signal has ended it', () => {
    const reach = during({ down: ['kafka'] });
    assert.equal(
      isPassing({ role: 'run', store: undefined, code: null, said: '', present: undefined, reach }),
      false,
    );
  });
});

describe('a target that cannot be looked at', () => {
  it('is excused where its server is down, and not where only our own connections are cut', () => {
    assert.ok(during({ down: ['milvus'] }).isDown('milvus'));
    assert.equal(during({ cut: ['milvus'] }).isDown('milvus'), false);
    assert.equal(during({ down: ['milvus'] }).isDown('postgres'), false);
  });

  it('is excused by those faults alone that kill its server or fill its disk', () => {
    const down = FAULTS.filter(({ outOfReach }) => (outOfReach.down ?? []).length > 0);
    assert.deepEqual(
      down.filter(({ needsOwnServers }) => needsOwnServers !== true),
      [],
    );
  });
});
