import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SMALL } from './configurations.ts';
import { explore } from './explore.ts';
import type { PropertyName } from './properties.ts';
import { MUTATIONS, type Mutation } from './rules.ts';
import { showViolation } from './show.ts';
import type { Constants } from './state.ts';

interface Refutation {
  /** The harm that it does in the end, where there is one; otherwise the promise that it breaks. */
  readonly breaks: PropertyName;
  readonly constants?: Partial<Constants>;
  /** What the trace must say, in this order. */
  readonly trace: readonly RegExp[];
}

const EQUAL: PropertyName = 'when all is done the follower equals the origin';

const REFUTATIONS: Readonly<Record<Mutation, Refutation>> = {
  'label-is-clock': {
    breaks: EQUAL,
    // The very case of the design: stamped before the clock was read, visible after the row was.
    trace: [
      /stamped with version 10/,
      /reads of A the clock: 10/,
      /reads of A the content/,
      /10 of A becomes visible/,
    ],
  },
  'content-before-version': {
    breaks: EQUAL,
    trace: [/reads of A the content/, /version 10 of A becomes visible/, /reads of A the version: 10/],
  },
  'generation-above-versions': {
    breaks: EQUAL,
    trace: [/version 10 of A becomes visible/, /version 16: the state from before capture/],
  },
  'guard-takes-equal': {
    breaks: 'a follower changes with a greater version only',
    trace: [
      /reads of A the version: 10/,
      /11 of A becomes visible/,
      /applies A, version 10.*\n.*applies A, version 10/,
    ],
  },
  'tombstone-forgotten': {
    breaks: 'nothing deleted comes back',
    trace: [/the follower applies A, version \d+: no entity/, /follower .*applies/],
  },
  'discard-before-confirmed': {
    breaks: EQUAL,
    trace: [/relay 0 sends A, version 10/, /takes version 10 of A out of the outbox/],
  },
  'recreate-forgets-delete': {
    breaks: EQUAL,
    trace: [/a delete of A is stamped with version 10/, /a write of A to state 2 is stamped with version 10/],
  },
  'stamp-is-clock': {
    breaks: EQUAL,
    trace: [/stamped with version 10/, /stamped with version 10/],
  },
  'no-lock': {
    breaks: EQUAL,
    trace: [/is stamped with version/, /is stamped with version/, /becomes visible/, /becomes visible/],
  },
  'dirty-read': {
    breaks: EQUAL,
    constants: { aborts: 1 },
    trace: [/stamped with version 10/, /reads of A the content/, /is rolled back/],
  },
  'entry-is-pointer': {
    breaks: 'the log says what was committed',
    trace: [/10 of A becomes visible: state 1/, /relay 0 sends A, version 10: (state 2|no entity)/],
  },
  'capture-after-write': {
    breaks: EQUAL,
    trace: [/the writer dies before the entry/],
  },
  'install-does-not-wait': {
    breaks: EQUAL,
    trace: [/capture is installed/, /reads of A the content/, /capture has not seen becomes visible/],
  },
  'progress-before-confirmed': {
    breaks: EQUAL,
    trace: [/reads of A the content/, /writes down that A is done/],
  },
  'offset-before-apply': {
    breaks: EQUAL,
    trace: [/commits the offset 1/, /is killed, and goes on at the committed offset 1/],
  },
  'guard-in-two-steps': {
    breaks: EQUAL,
    trace: [
      /second consumer.*reads the version held/,
      /the follower applies A/,
      /the second consumer writes A/,
    ],
  },
};

describe('the specification refutes, with the shortest way to the harm, that', () => {
  for (const [name, mutation] of Object.entries(MUTATIONS)) {
    const { breaks, constants, trace } = REFUTATIONS[name as Mutation];
    it(mutation, (test) => {
      const { violation } = explore({
        constants: { ...SMALL, ...constants },
        rules: name as Mutation,
        properties: [breaks],
      });
      assert.ok(violation, 'nothing was found');
      const shown = showViolation(violation);
      test.diagnostic(`\n${shown}`);
      assert.equal(violation.property, breaks);
      assertInOrder(shown, trace);
    });
  }
});

function assertInOrder(text: string, patterns: readonly RegExp[]): void {
  let at = 0;
  for (const pattern of patterns) {
    const found = text.slice(at).search(pattern);
    assert.ok(found >= 0, `${pattern} is not there, or too early:\n${text}`);
    at += found + 1;
  }
}
