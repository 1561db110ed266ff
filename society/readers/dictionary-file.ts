import { isRecord } from '../../core/json.ts';
import type { Agent } from '../../schemas/change.ts';
import { entityFault } from '../../schemas/entity-fault.ts';
import { DEFAULT_AGENT_TYPE, type LegacyAgent, type LegacyMemory, tiesOf } from '../legacy-shapes.ts';
import { fileBytes } from './file-bytes.ts';
import { jsonMembers, type Member } from './json-members.ts';
import { inLine, type OnRejected, type Parsed } from './parsed.ts';

/**
 * Reads a dictionary file, plain or gzip: one JSON object, agent id → agent. Agents that are none are rejected, of the
 * others the friendships that are none. Because nothing but the agent at hand is held, two things are left to the
 * dictionary connector, which holds them all: an id that comes twice, and a friend that does not exist.
 */
export async function* readDictionaryFile(path: string, onRejected: OnRejected): AsyncGenerator<LegacyAgent> {
  const onDamage = (reason: string): void => onRejected({ where: path, reason });
  for await (const member of jsonMembers(fileBytes(path, onDamage))) {
    const where = inLine(path, member.line);
    const parsed = parseAgent(member);
    if ('row' in parsed) yield withSoundTies(parsed.row, where, onRejected);
    else onRejected({ where, reason: parsed.fault });
  }
}

/** What is absent or null is what the legacy application takes it for. */
function parseAgent(member: Member): Parsed<LegacyAgent> {
  if ('fault' in member) return member;
  const { name, value } = member;
  const named = `agent ${JSON.stringify(name)}`;
  if (!isRecord(value)) return { fault: `${named} is not an object` };
  const id = value.id ?? name;
  if (id !== name) return { fault: `${named} has another id inside: ${JSON.stringify(id)}` };
  const attributes = value.attributes ?? {};
  if (!isRecord(attributes)) return { fault: `attributes of ${named} is not an object` };
  const type = value.type ?? DEFAULT_AGENT_TYPE;
  const active = value.active ?? true;
  const agent = { id: name, type, active, attributes: withoutNulls(attributes) } as Agent;
  const fault = entityFault('agent', agent) ?? memoryFault(value.memory ?? {});
  if (fault !== undefined) return { fault: `${fault} (${named})` };
  return { row: { ...agent, memory: completeMemory(value.memory ?? {}) } };
}

function memoryFault(memory: unknown): string | undefined {
  if (!isRecord(memory)) return 'memory is not an object';
  if (!Array.isArray(memory.friends ?? [])) return 'friends is not an array';
  if (!isRecord(memory.relationships ?? {})) return 'relationships is not an object';
  return isRecord(memory.relation_types ?? {}) ? undefined : 'relation_types is not an object';
}

function completeMemory({ friends, relationships, relation_types }: Partial<LegacyMemory>): LegacyMemory {
  return {
    friends: friends ?? [],
    relationships: relationships ?? {},
    relation_types: relation_types ?? {},
  };
}

function withSoundTies(agent: LegacyAgent, where: string, onRejected: OnRejected): LegacyAgent {
  const sound = new Set<string>();
  for (const tie of tiesOf(agent)) {
    const fault = sound.has(tie.target)
      ? 'is listed twice'
      : entityFault('relationship', { ...tie, since: null, properties: {} });
    if (fault === undefined) sound.add(tie.target);
    else
      onRejected({
        where,
        reason: `friend ${JSON.stringify(tie.target)} of agent ${JSON.stringify(agent.id)}: ${fault}`,
      });
  }
  if (sound.size === agent.memory.friends.length) return agent;
  return { ...agent, memory: { ...agent.memory, friends: [...sound] } };
}

function withoutNulls(entries: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== null));
}
