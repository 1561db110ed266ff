import { isRecord } from '../../core/json.ts';
import type { Experience, Policy, QValue } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import type { LearningRow } from '../legacy-shapes.ts';
import { readNdjsonFile } from './ndjson-file.ts';
import type { OnRejected, Parsed } from './parsed.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** Reads a file of what agents learned: a JSON object a line, of `kind` experience, q-value or policy. */
export async function* readRlFile(path: string, onRejected: OnRejected): AsyncGenerator<LearningRow> {
  for await (const { row } of readNdjsonFile(path, parseLearning, onRejected)) yield row;
}

function parseLearning(record: JsonObject): Parsed<LearningRow> {
  switch (record.kind) {
    case 'experience':
      return parseExperience(record);
    case 'q-value':
      return parseQValue(record);
    case 'policy':
      return parsePolicy(record);
    default:
      return { fault: `kind ${JSON.stringify(record.kind)} is none of experience, q-value, policy` };
  }
}

function parseExperience(record: JsonObject): Parsed<LearningRow> {
  const experience = record as unknown as Experience;
  const fault = entityFault('experience', experience);
  if (fault !== undefined) return { fault };
  const { id, agentId, state, action, reward, nextState, done, episode, step, at } = experience;
  return {
    row: { kind: 'experience', id, agentId, state, action, reward, nextState, done, episode, step, at },
  };
}

function parseQValue(record: JsonObject): Parsed<LearningRow> {
  const q = record as unknown as QValue;
  const fault = entityFault('q-value', q);
  if (fault !== undefined) return { fault };
  const { agentId, state, action, value, visits } = q;
  return { row: { kind: 'q-value', agentId, state, action, value, visits } };
}

function parsePolicy(record: JsonObject): Parsed<LearningRow> {
  const { parameters = {}, environment = null, actions } = record;
  if (!isRecord(parameters)) return { fault: 'parameters is not an object' };
  if (!isRecord(actions)) return { fault: 'actions is not an object' };
  const { agentId, algorithm } = record;
  // A null parameter equals an absent one.
  const given = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== null));
  const policy = {
    agentId,
    algorithm,
    environment,
    parameters: given,
    actions,
    name: '',
    revision: 0,
  } as Policy;
  const fault = entityFault('policy', policy);
  if (fault !== undefined) return { fault };
  const { name: _, revision: __, ...row } = policy;
  return { row: { kind: 'policy', ...row } };
}
