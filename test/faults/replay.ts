import type { Kind } from '../../schemas/kinds.ts';
import { topicOf } from '../../schemas/kinds.ts';
import type { LivePlaces } from '../live/live-places.ts';
import type { LogMeddler } from './log-meddler.ts';

/** What one follower says of all that is in the log, and what there is by our own count. */
export interface Consumed {
  readonly target: string;
  readonly inLog: number;
  readonly received: number;
  readonly applied: number;
  readonly stale: number;
  readonly refused: number;
  /** Records that no store can take. */
  readonly poison: number;
  /** Of those, the ones of which there is a dead letter; and letters of anything else. */
  readonly letters: { readonly right: number; readonly others: number };
}

const REFUSED = 3;

/**
 * Everything that is in the log, from its beginning once more to every follower, when all is at rest: so each record is accounted for.
 * A store that had lost, brought back or put back anything takes it now, and says so.
 */
export async function replay(
  { migration }: LivePlaces,
  meddler: LogMeddler,
  followers: ReadonlyMap<string, readonly Kind[]>,
): Promise<readonly Consumed[]> {
  for (const [store, kinds] of followers) await meddler.rewind(store, kinds);
  const { code, stdout, stderr } = await migration.cli('run', '--until-caught-up');
  if (code !== 0 && code !== REFUSED) throw new Error(`The replay ended with ${code}: ${stderr}`);
  const letters = await lettersOf(migration);
  const consumed: Consumed[] = [];
  for (const [store, kinds] of followers) {
    const target = `target.${store}`;
    const places = new Set(kinds.flatMap((kind) => [...meddler.poisoned(kind)]));
    const ofStore = letters.filter(({ sink }) => sink === target);
    const right = lettersAt(migration.name, letters, target, places).length;
    consumed.push({
      target,
      inLog: await meddler.count(kinds),
      ...countsOf(target, stdout),
      poison: places.size,
      letters: { right, others: ofStore.length - right },
    });
  }
  return consumed;
}

/** What does not add up. */
export function unaccounted(consumed: Consumed): readonly string[] {
  const { target, inLog, received, applied, stale, refused, poison, letters } = consumed;
  return [
    // More is a delivery once more.
    ...(received >= inLog ? [] : [`${target} has received ${received} of ${inLog} records`]),
    ...(received === applied + stale + refused
      ? []
      : [
          `${target}: ${received} received are not ${applied} applied, ${stale} stale and ${refused} refused`,
        ]),
    ...(applied === 0
      ? []
      : [`${target} has taken ${applied} changes that it should have held, or been past, already`]),
    ...(refused <= poison ? [] : [`${target} has refused ${refused} records, of which ${poison} are poison`]),
    ...(letters.right === poison
      ? []
      : [`${target}: ${letters.right} dead letters of ${poison} records of poison`]),
    ...(letters.others === 0 ? [] : [`${target}: ${letters.others} dead letters of sound records`]),
  ];
}

/** `target.neo4j: 1,200 changes received, 1,100 applied, 99 stale, 1 refused` */
export function countsOf(
  target: string,
  stdout: string,
): Pick<Consumed, 'received' | 'applied' | 'stale' | 'refused'> {
  const line = stdout.split('\n').find((each) => each.startsWith(`${target}: `)) ?? '';
  const count = (word: string): number => {
    const found = new RegExp(`([\\d,]+) (?:changes? )?${word}`).exec(line)?.[1];
    if (found === undefined) throw new Error(`${target} does not say how much it has ${word}:\n${stdout}`);
    return Number(found.replaceAll(',', ''));
  };
  return {
    received: count('received'),
    applied: count('applied'),
    stale: count('stale'),
    refused: count('refused'),
  };
}

export interface Letter {
  readonly sink: string;
  readonly kind: Kind;
  readonly partition: number;
  readonly offset: number;
}

/** Those of a target's that are of records at one of these places. */
export function lettersAt(
  prefix: string,
  letters: readonly Letter[],
  target: string,
  places: ReadonlySet<string>,
): readonly Letter[] {
  return letters.filter(
    ({ sink, kind, partition, offset }) =>
      sink === target && places.has(`${topicOf(prefix, kind)} ${partition} ${offset}`),
  );
}

/** As an operator counts them. */
export async function lettersOf({ cli }: LivePlaces['migration']): Promise<readonly Letter[]> {
  const { code, stdout, stderr } = await cli('dead-letters', 'list', '--all', '--json');
  if (code !== 0) throw new Error(`dead-letters list ended with ${code}: ${stderr}`);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Letter);
}
