import type { EntityOf, Scalars } from '../../schemas/change.ts';
import { keyOf } from '../../schemas/keys.ts';
import type { Kind } from '../../schemas/kinds.ts';

/** Text that breaks naive quoting, encoding, ordering and key-building; all of it must move unharmed. */
export const HOSTILE_TEXTS: readonly string[] = [
  `o'hara "the quote" \`tick\``,
  'line\nbreak\r\n\ttab',
  'back\\slash \\u0060 \\" $x {y}',
  '😀 🏳️‍🌈 \u{10ffff}',
  '\uffee before astral',
  'שלום \u202eright-to-left',
  'pipe|colon:semi;comma,',
  '*?[a-z]',
  `x") or version >= 0 or id in ["y`,
  '}) DETACH DELETE n //',
  `'); DROP TABLE agents; --`,
  '["a","b"]',
  '[',
  '"quoted"',
  'true',
  '007',
  '-0',
  '1e3',
  'null',
  ' leading and trailing ',
  'é composed, e\u0301 decomposed',
  'x'.repeat(180),
  '😀'.repeat(180),
];

/** Doubles that a careless path rounds, prints badly or loses the sign of. */
export const HOSTILE_DOUBLES: readonly number[] = [
  0,
  -0,
  5e-324,
  -5e-324,
  2.2250738585072014e-308,
  1.7976931348623157e308,
  -1.7976931348623157e308,
  0.1,
  1 / 3,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  2 ** 53,
  1e21,
  -1e-7,
];

export const HOSTILE_SCALARS: Scalars = {
  ...Object.fromEntries(HOSTILE_TEXTS.map((text, index) => [`text${index}`, text])),
  ...Object.fromEntries(HOSTILE_TEXTS.map((text, index) => [text, index])),
  ...Object.fromEntries(HOSTILE_DOUBLES.map((value, index) => [`double${index}`, value])),
  '': 'the empty name',
  empty: '',
  yes: true,
  no: false,
  id: 'an attribute named id',
  type: 'an attribute named type',
  active: 'an attribute named active',
  version: 7,
  _version: 'an attribute named _version',
  _attr_x: 1,
};

export function float32Bytes(components: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(components.length * 4);
  for (const [index, component] of components.entries()) bytes.writeFloatLE(component, index * 4);
  return bytes;
}

export const TEST_DIMENSION = 8;

/** A unit vector that follows from a number. */
export function unitVector(seed: number, dimension: number = TEST_DIMENSION): Uint8Array {
  const raw = Array.from({ length: dimension }, (_, index) => Math.sin((seed + 1) * (index + 1.5)));
  const norm = Math.hypot(...raw);
  return float32Bytes(raw.map((component) => component / norm));
}

export const TEST_SPACE = { model: 'test-model', revision: '1', metric: 'cosine', normalised: true } as const;

/** The first characters of a text, none of them cut in half. */
function start(text: string, characters: number): string {
  return Array.from(text).slice(0, characters).join('');
}

/** Names an entity: `name` is unique per entity of a kind, `variant` changes its content but not its identity. */
export interface Sample {
  readonly name: string;
  readonly variant?: number;
  readonly scalars?: Scalars;
}

const SAMPLES: { readonly [K in Kind]: (sample: Required<Sample>) => EntityOf[K] } = {
  agent: ({ name, variant, scalars }) => ({
    id: name,
    type: variant % 2 === 0 ? 'citizen' : 'worker',
    active: variant % 3 !== 0,
    attributes: { ...scalars, variant },
  }),
  relationship: ({ name, variant, scalars }) => ({
    source: `${name}>`,
    target: `<${name}`,
    type: 'KNOWS',
    strength: (variant * 7.25) % 100,
    since: variant % 2 === 0 ? null : 1_700_000_000_000 + variant,
    properties: { ...scalars, variant },
  }),
  embedding: ({ name, variant, scalars }) => ({
    id: name,
    agentId: `agent of ${start(name, 100)}`,
    vector: unitVector(variant),
    dimension: TEST_DIMENSION,
    space: TEST_SPACE,
    metadata: { ...scalars, variant },
  }),
  experience: ({ name, variant }) => ({
    id: name,
    agentId: `agent of ${start(name, 3)}`,
    episode: variant,
    step: 3,
    state: name,
    action: variant % 4,
    reward: -1 / (variant + 3),
    nextState: `next ${name}`,
    done: variant % 2 === 0,
    at: 1_700_000_000_000 + variant,
  }),
  'q-value': ({ name, variant }) => ({
    agentId: `agent of ${start(name, 3)}`,
    state: name,
    action: 2,
    value: variant / 3,
    visits: variant,
  }),
  policy: ({ name, variant, scalars }) => ({
    agentId: name,
    name: '',
    algorithm: 'q-learning',
    environment: variant % 2 === 0 ? null : 'grid',
    parameters: { ...scalars, alpha: 0.1, variant },
    actions: { '0': variant % 4, '1': 3 },
    revision: variant,
  }),
};

export function sampleEntity<K extends Kind>(kind: K, sample: Sample): EntityOf[K] {
  return SAMPLES[kind]({ variant: 0, scalars: {}, ...sample });
}

export function sampleKey<K extends Kind>(kind: K, name: string): string {
  return keyOf(kind, sampleEntity(kind, { name }));
}
