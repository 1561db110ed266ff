import type { ChangeOf, EntityOf } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';

/** Versions are microseconds; a later round of the same keys is newer. */
const FIRST_VERSION = 1_700_000_000_000_000;
const NOTE =
  'A sentence of the length that makes the properties of an agent some two hundred bytes, all in all.';
const CITIES = ['Springfield', 'Shelbyville', 'Ogdenville', 'North Haverbrook'];
/** Coprime to every power of ten times a small factor, so that keys come in no order. */
const STRIDE = 7_919;

export type NodeChange = ChangeOf<'agent'>;
export type TieChange = ChangeOf<'relationship'>;

/** Agents with properties of some 200 bytes: the same keys in each round, in an order that no index has. */
export function agentChange(index: number, count: number, round: number): NodeChange {
  const number = (index * STRIDE) % count;
  const entity: EntityOf['agent'] = {
    id: `agent-${String(number).padStart(8, '0')}`,
    type: number % 5 === 0 ? 'merchant' : 'citizen',
    active: number % 7 !== 0,
    attributes: {
      name: `Agent number ${number}`,
      city: CITIES[number % CITIES.length] ?? '',
      age: (number + round) % 90,
      wage: number / 7,
      note: NOTE,
    },
  };
  return changeOf('agent', entity, index, round);
}

/** Relationships of one type between those agents; every agent has some. */
export function tieChange(index: number, agents: number, round: number): TieChange {
  const source = (index * STRIDE) % agents;
  const target = (source * 31 + Math.floor(index / agents) * 17 + 1) % agents;
  const entity: EntityOf['relationship'] = {
    source: `agent-${String(source).padStart(8, '0')}`,
    type: 'KNOWS',
    target: `agent-${String(target).padStart(8, '0')}`,
    strength: (index + round) % 100,
    since: 1_700_000_000_000 + index,
    properties: {},
  };
  return changeOf('relationship', entity, index, round);
}

function changeOf<K extends 'agent' | 'relationship'>(
  kind: K,
  after: EntityOf[K],
  index: number,
  round: number,
): ChangeOf<K> {
  return {
    kind,
    key: keyOf(kind, after),
    op: 'u',
    version: FIRST_VERSION + round * 1_000_000_000 + index,
    before: null,
    after,
    origin: { path: 'shim', store: 'bench', writer: 'bench' },
    eventId: `${kind}-${round}-${index}`,
    capturedAt: FIRST_VERSION,
  };
}
