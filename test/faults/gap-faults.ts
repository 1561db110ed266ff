import assert from 'node:assert/strict';
import type { Kind } from '../../schemas/kinds.ts';
import type { AskForProof, Fault, World } from './fault.ts';
import { shuffledSome } from './log-meddler.ts';
import { Proof } from './proof.ts';

const GAP = 9;
const SOME = 50;
const PUBLISHED_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 250;

/** A gap in the log of one kind, and the follower whose it is. */
interface Gap {
  readonly kind: Kind;
  readonly store: string;
  /** What the command says of it. */
  readonly says: RegExp;
  make(world: World): Promise<AskForProof>;
}

/**
 * Nothing that a store does not hold yet gets lost here, so that the oracle can be as strict as ever: what goes unread are records
 * that were put in once more. That a backfill brings back what did get lost is test/e2e/gaps.test.ts.
 */
const GAPS: readonly (Gap & Pick<Fault, 'name'>)[] = [
  {
    name: 'retention expiry: unread records are gone',
    kind: 'agent',
    store: 'neo4j',
    says: /\.agents, partition \d+: offsets \d+ to \d+ are missing/,
    make: async ({ meddler, progress }) => {
      await meddler.again('agent', (stored, random) => shuffledSome(stored, SOME, random));
      await meddler.expire('agent');
      const missed = await progress.missed('neo4j', 'agent');
      return () => Proof.counted(missed, 'records gone that had not been read', SOME);
    },
  },
  {
    name: 'topic recreated',
    kind: 'policy',
    store: 'postgres',
    says: /\.policies, partition \d+: .*made again/,
    make: async ({ meddler }) => {
      const before = await meddler.count(['policy']);
      await meddler.recreate('policy');
      const left = await meddler.count(['policy']);
      return () => Proof.counted(before - left, 'records gone with their topic');
    },
  },
];

export const GAP_FAULTS: readonly Fault[] = GAPS.map((gap) => ({
  name: gap.name,
  outOfReach: {},
  strike: (world) => strike(world, gap),
}));

/** Applications go on writing all the time; what feeds the log rests while it is cut, and then puts more into it behind the gap. */
async function strike(world: World, gap: Gap): Promise<AskForProof> {
  const { lives, places } = world;
  const feeding = [...lives('relay'), ...lives('backfill')];
  const runs = lives('run');
  await Promise.all(feeding.map((each) => each.pause()));
  await world.caughtUp();
  await Promise.all(runs.map((each) => each.pause()));
  await world.keepLog();
  const proof = await gap.make(world);
  for (const each of feeding) each.resume();
  await somethingBehind(world, gap);

  const run = (...flags: readonly string[]) =>
    places.migration.cli('run', '--until-caught-up', '--stores', gap.store, ...flags);
  const before = await held(world, gap);
  const stopped = await run();
  assert.equal(stopped.code, GAP, `run goes on over a gap: ${stopped.stderr}`);
  assert.match(stopped.stderr, gap.says);
  assert.match(stopped.stderr, /--accept-gap/);
  assert.deepEqual(await held(world, gap), before, 'something behind the gap was applied');

  const accepted = await run('--accept-gap');
  assert.equal(accepted.code, 0, accepted.stderr);
  // The other followers of the kind have the same gap.
  const others = [...world.followers].filter(
    ([store, kinds]) => store !== gap.store && kinds.includes(gap.kind),
  );
  for (const [store] of others) {
    const args = ['run', '--until-caught-up', '--stores', store, '--accept-gap'];
    const { code, stderr } = await places.migration.cli(...args);
    assert.equal(code, 0, stderr);
  }
  for (const each of runs) each.resume();
  return proof;
}

async function somethingBehind({ meddler, pause }: World, { kind }: Gap): Promise<void> {
  const untilMs = performance.now() + PUBLISHED_WITHIN_MS;
  while ((await meddler.count([kind])) === 0) {
    if (performance.now() > untilMs) throw new Error(`Nothing of ${kind} is published behind the gap.`);
    await pause(LOOK_EVERY_MS);
  }
}

async function held({ places }: World, { store }: Gap): Promise<readonly unknown[]> {
  const target = (await places.targets()).find(({ name }) => name === `target.${store}`);
  return [...((await target?.states()) ?? [])].toSorted(([left], [right]) => (left < right ? -1 : 1));
}
