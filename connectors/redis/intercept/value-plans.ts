import { keyOf } from '../../../schemas/keys.ts';
import {
  capture,
  idFault,
  mappedKey,
  PASS,
  type Plan,
  type PlanContext,
  type Planner,
  refuseCommand,
  refuseContent,
  type Word,
} from './plan.ts';
import { valueFault } from './value-faults.ts';

interface ValueWord {
  readonly place: number;
  readonly when: 'always' | 'answered' | 'unanswered' | 'one';
  readonly ttl: boolean;
}

function planValue(
  name: string,
  args: readonly Word[],
  { place, when, ttl }: ValueWord,
  context: PlanContext,
): Plan {
  const [key = '', mapped] = [args[0], mappedKey(args[0], context)];
  if (mapped === undefined) return PASS;
  if (mapped.code !== 'policy') return refuseCommand(name, key, mapped);
  const identity = { agentId: mapped.id, name: '' };
  const fault = idFault(mapped) ?? valueFault('policy', identity, args[place] ?? '', context.mapping);
  if (fault !== undefined) return refuseContent(key, fault);
  const hints = [keyOf('policy', identity), String(place + 1), when, ttl ? '1' : '0'];
  return capture('value', mapped, [name, ...args], hints, [key]);
}

/** A command whose value is a whole policy. */
export const planOf =
  (place: number, when: 'always' | 'answered' | 'one', words: number, ttl = false): Planner =>
  (name, args, context) =>
    args.length === words ? planValue(name, args, { place, when, ttl }, context) : PASS;

const SET_FLAGS = new Set(['nx', 'xx', 'get', 'keepttl']);
const SET_TIMES = new Set(['ex', 'px', 'exat', 'pxat']);

export function planSet(name: string, args: readonly Word[], context: PlanContext): Plan {
  const mapped = mappedKey(args[0], context);
  if (mapped === undefined || args.length < 2) return PASS;
  const given = new Set<string>();
  for (let place = 2; place < args.length; place++) {
    const option = String(args[place]).toLowerCase();
    if (SET_TIMES.has(option)) place++;
    else if (!SET_FLAGS.has(option)) return refuseCommand(`${name} … ${option}`, args[0] ?? '', mapped);
    given.add(option);
  }
  const condition = given.has('nx')
    ? given.has('get')
      ? 'unanswered'
      : 'answered'
    : given.has('xx')
      ? 'answered'
      : 'always';
  const ttl = given.has('keepttl') || [...SET_TIMES].some((option) => given.has(option));
  return planValue(name, args, { place: 1, when: condition, ttl }, context);
}
