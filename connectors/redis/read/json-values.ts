import { isRecord, toJson, tryParseJson } from '../../../core/json.ts';
import type { Experience, Policy, QValue } from '../../../schemas/change.ts';
import type { UnknownFields } from '../options.ts';

/**
 * The JSON values of the application. Each reader answers the entity, or why there is none; types and limits of the
 * fields are then checked by schemas/entity-fault.ts, as for every store.
 */

type Fields = Readonly<Record<string, unknown>>;

/** Parses the text of a JSON object, or says what is wrong with it. */
export function parseFields(text: string): Fields | string {
  const value = tryParseJson(text);
  if (value === undefined) return 'is not JSON';
  return isRecord(value) ? value : 'is not a JSON object';
}

/**
 * What is wrong with the fields beside `known`: one that says again what the key says must agree, and anything else
 * would be lost on the way.
 */
function strayFault(
  fields: Fields,
  known: readonly string[],
  fromKey: Fields,
  unknownFields: UnknownFields,
): string | undefined {
  for (const [name, value] of Object.entries(fields)) {
    if (known.includes(name)) continue;
    if (!Object.hasOwn(fromKey, name)) {
      if (unknownFields === 'ignore') continue;
      return `has a field ${JSON.stringify(name)} that the log has no place for (unknownFields: ignore drops it)`;
    }
    if (!Object.is(value, fromKey[name])) {
      return `its ${name} is ${JSON.stringify(value)}, but its key says ${JSON.stringify(fromKey[name])}`;
    }
  }
  return undefined;
}

const Q_VALUE_FIELDS = ['value', 'visits'];

export function qValueToJson({ value, visits }: QValue): string {
  return toJson({ value, visits });
}

export function qValueFromJson(
  identity: Pick<QValue, 'agentId' | 'state' | 'action'>,
  fields: Fields,
  unknownFields: UnknownFields,
): QValue | string {
  const fault = strayFault(fields, Q_VALUE_FIELDS, { kind: 'q-value', ...identity }, unknownFields);
  return fault ?? ({ ...identity, value: fields.value, visits: fields.visits } as QValue);
}

const POLICY_FIELDS = ['algorithm', 'environment', 'parameters', 'actions', 'revision'];

export function policyToJson({ algorithm, environment, parameters, actions, revision }: Policy): string {
  return toJson({ algorithm, environment, parameters, actions, revision });
}

/** Without environment, parameters, actions or revision: null, none, none and 0. */
export function policyFromJson(
  identity: Pick<Policy, 'agentId' | 'name'>,
  fields: Fields,
  unknownFields: UnknownFields,
): Policy | string {
  const fault = strayFault(fields, POLICY_FIELDS, { kind: 'policy', ...identity }, unknownFields);
  if (fault !== undefined) return fault;
  const { algorithm, environment = null, parameters = {}, actions = {}, revision = 0 } = fields;
  if (!isRecord(parameters)) return 'its parameters are no JSON object';
  if (!isRecord(actions)) return 'its actions are no JSON object';
  // A null parameter equals an absent one, as everywhere.
  const given = Object.entries(parameters).filter(([, value]) => value !== null);
  return {
    ...identity,
    algorithm,
    environment,
    parameters: Object.fromEntries(given),
    actions,
    revision,
  } as Policy;
}

const EXPERIENCE_FIELDS = ['id', 'episode', 'step', 'state', 'action', 'reward', 'nextState', 'done', 'at'];

export function experienceToJson(experience: Experience): string {
  const { id, agentId, episode, step, state, action, reward, nextState, done, at } = experience;
  return toJson({ id, agentId, episode, step, state, action, reward, nextState, done, at });
}

export function experienceFromJson(
  agentId: string,
  fields: Fields,
  unknownFields: UnknownFields,
): Experience | string {
  const fault = strayFault(fields, EXPERIENCE_FIELDS, { kind: 'experience', agentId }, unknownFields);
  if (fault !== undefined) return fault;
  const { id, episode, step, state, action, reward, nextState, done, at } = fields;
  return { id, agentId, episode, step, state, action, reward, nextState, done, at } as Experience;
}
