import type { EntityOf, Experience } from '../../../schemas/change.ts';
import { parseKey } from '../../../schemas/keys.ts';
import type { EntityWrite } from '../../capture.ts';
import { keyFor } from '../key-patterns.ts';
import { addressOf, type PlacedKind } from '../layout.ts';
import type { KeyCode } from '../mapped-keys.ts';
import { MAX_AGENT_FIELDS } from '../read/agent-hash.ts';
import { experienceToJson } from '../read/json-values.ts';
import { contentOf, MAX_VALUE_BYTES } from '../rows.ts';
import type { CaptureContext } from './context.ts';

/** A write as the script takes it. */
export interface PlacedWrite {
  readonly index: number;
  readonly code: KeyCode;
  readonly id: string;
  readonly key: string;
  readonly agentId: string;
  readonly eventId: string;
  readonly at: string;
  readonly parts: readonly string[];
}

/** What Redis, and not the log, would refuse. */
export function placeFault({ kind, entity }: EntityWrite): string | undefined {
  if (entity === null || kind === 'relationship' || kind === 'embedding') return undefined;
  if (kind === 'agent') {
    const fields = Object.keys((entity as EntityOf['agent']).attributes).length + 3;
    return fields > MAX_AGENT_FIELDS ? `has ${fields} fields, more than ${MAX_AGENT_FIELDS}` : undefined;
  }
  const text =
    kind === 'experience' ? experienceToJson(entity as Experience) : contentOf(kind, entity as never)[0];
  return Buffer.byteLength(text ?? '') > MAX_VALUE_BYTES
    ? `its JSON is longer than ${MAX_VALUE_BYTES} bytes`
    : undefined;
}

export function placedOf(index: number, write: EntityWrite, { kinds, layout }: CaptureContext): PlacedWrite {
  const kind = kinds.find((candidate) => candidate === write.kind);
  if (kind === undefined) throw new Error(`A write of ${write.kind} was not refused.`);
  const common = { index, id: write.key, eventId: write.eventId ?? '' };
  if (kind === 'experience') {
    const experience = write.entity as Experience | null;
    const agentId = experience?.agentId ?? '';
    return {
      ...common,
      code: 'experience',
      key: keyFor(layout.patterns.experiences, agentId),
      agentId,
      at: experience === null ? '' : String(experience.at),
      parts: experience === null ? [] : [experienceToJson(experience)],
    };
  }
  const identity = parseKey(kind, write.key);
  const { shape, key, field } = addressOf(kind, identity as never, layout);
  const content = write.entity === null ? [] : contentOf(kind, write.entity as never);
  return {
    ...common,
    code: codeOf(kind, shape === 'field'),
    key,
    agentId: 'agentId' in identity ? identity.agentId : identity.id,
    at: '',
    parts: shape === 'field' ? [field, ...content] : content,
  };
}

function codeOf(kind: PlacedKind, inField: boolean): KeyCode {
  switch (kind) {
    case 'agent':
      return 'agent';
    case 'q-value':
      return 'q';
    case 'policy':
      return inField ? 'named' : 'policy';
    default:
      return kind satisfies never;
  }
}

export function argumentsOf({ code, id, key, agentId, eventId, at, parts }: PlacedWrite): readonly string[] {
  return [code, id, key, agentId, eventId, at, String(parts.length), ...parts];
}
