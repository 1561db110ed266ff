import { type IdentityOf, keyOf } from '../../../schemas/keys.ts';
import { NOT_UTF8, textOf } from '../bytes.ts';
import { quote } from '../layout.ts';
import type { MappedKey } from '../mapped-keys.ts';
import { fieldIdentity } from '../read/field-identity.ts';
import {
  capture,
  idFault,
  mappedKey,
  PASS,
  type Plan,
  type PlanContext,
  refuseCommand,
  refuseContent,
  type Word,
} from './plan.ts';
import { agentFault, valueFault } from './value-faults.ts';

export function planHash(name: string, args: readonly Word[], context: PlanContext): Plan {
  const [key = '', mapped] = [args[0], mappedKey(args[0], context)];
  if (mapped === undefined) return PASS;
  if (args.length < 3 || args.length % 2 === 0) return PASS;
  if (mapped.code === 'policy' || mapped.code === 'experience') return refuseCommand(name, key, mapped);
  const fault = idFault(mapped);
  if (fault !== undefined) return refuseContent(key, fault);
  if (mapped.code === 'agent') {
    const wrong = agentFault(mapped.id, args.slice(1), context.mapping);
    return wrong === undefined
      ? capture('attributes', mapped, [name, ...args], [], [key])
      : refuseContent(key, wrong);
  }
  const hints: string[] = [];
  const places = new Map<string, number>();
  for (let place = 1; place < args.length; place += 2) {
    const read = fieldOf(mapped, args[place] ?? '');
    if (typeof read === 'string') return refuseContent(key, `field ${quote(String(args[place]))} ${read}`);
    const wrong = valueFault(read.kind, read.identity, args[place + 1] ?? '', context.mapping);
    if (wrong !== undefined) return refuseContent(key, `field ${quote(String(args[place]))}: ${wrong}`);
    // Where a field is named twice, the last value is the one that stays.
    const earlier = places.get(read.key);
    if (earlier !== undefined) hints[earlier] = '';
    places.set(read.key, hints.length);
    hints.push(read.key);
  }
  return capture('fields', mapped, [name, ...args], hints, [key]);
}

interface FieldEntity {
  readonly kind: 'q-value' | 'policy';
  readonly identity: IdentityOf['q-value'] | IdentityOf['policy'];
  readonly key: string;
}

function fieldOf({ code, id }: MappedKey, word: Word): FieldEntity | string {
  const field = Buffer.isBuffer(word) ? textOf(word) : word;
  if (field === undefined) return `its name ${NOT_UTF8}`;
  if (code === 'q') {
    const identity = fieldIdentity('q-value', id, field);
    return typeof identity === 'string'
      ? identity
      : { kind: 'q-value', identity, key: keyOf('q-value', identity) };
  }
  const identity = fieldIdentity('policy', id, field);
  return typeof identity === 'string'
    ? identity
    : { kind: 'policy', identity, key: keyOf('policy', identity) };
}

const NOT_A_NUMBER = new Set(['id', 'active']);

export function planIncrement(name: string, args: readonly Word[], context: PlanContext): Plan {
  const [key = '', mapped] = [args[0], mappedKey(args[0], context)];
  if (mapped === undefined || args.length !== 3) return PASS;
  const field = String(args[1]);
  if (mapped.code !== 'agent' || NOT_A_NUMBER.has(field))
    return refuseCommand(name, key, mapped, `field ${quote(field)} in `);
  const fault = idFault(mapped) ?? agentFault(mapped.id, [args[1] ?? '', '0'], context.mapping);
  return fault === undefined
    ? capture('attributes', mapped, [name, ...args], [], [key])
    : refuseContent(key, fault);
}

export function planHashDelete(name: string, args: readonly Word[], context: PlanContext): Plan {
  const [key = '', mapped] = [args[0], mappedKey(args[0], context)];
  if (mapped === undefined || args.length < 2 || idFault(mapped) !== undefined) return PASS;
  if (mapped.code === 'policy' || mapped.code === 'experience') return refuseCommand(name, key, mapped);
  const fields = mapped.code === 'agent' ? [] : args.slice(1).map((field) => fieldOf(mapped, field));
  // What stands for no entity is nobody's loss.
  const hints = fields.map((field) => (typeof field === 'string' ? '' : field.key));
  return capture('without', mapped, [name, ...args], hints, [key]);
}
