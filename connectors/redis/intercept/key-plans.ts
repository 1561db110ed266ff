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
import { experienceFault } from './value-faults.ts';

export function planPush(name: string, args: readonly Word[], context: PlanContext): Plan {
  const [key = '', mapped] = [args[0], mappedKey(args[0], context)];
  if (mapped === undefined || args.length < 2) return PASS;
  if (mapped.code !== 'experience') return refuseCommand(name, key, mapped);
  const fault = idFault(mapped);
  if (fault !== undefined) return refuseContent(key, fault);
  const hints: string[] = [];
  for (const element of args.slice(1)) {
    const read = experienceFault(mapped.id, element, context.mapping);
    if (typeof read === 'string') return refuseContent(key, read);
    hints.push(read.id, String(read.at));
  }
  return capture('push', mapped, [name, ...args], hints, [key]);
}

export function planTrim(name: string, args: readonly Word[], context: PlanContext): Plan {
  const [key = '', mapped] = [args[0], mappedKey(args[0], context)];
  if (mapped === undefined || args.length !== 3 || idFault(mapped) !== undefined) return PASS;
  if (mapped.code !== 'experience') return refuseCommand(name, key, mapped);
  return capture('trim', mapped, [name, ...args], [], [key]);
}

/** What is removed need not be in the mapping, but one key of it has to be. */
export function planRemove(name: string, args: readonly Word[], context: PlanContext): Plan {
  const mapped = args.map((key) => {
    const found = mappedKey(key, context);
    return found === undefined || idFault(found) !== undefined ? undefined : found;
  });
  const some = mapped.find((found) => found !== undefined);
  if (some === undefined) return PASS;
  const hints = mapped.flatMap((found) => [found?.code ?? '', found?.id ?? '']);
  return capture('remove', some, [name, ...args], hints, args);
}

export function planGetDelete(name: string, args: readonly Word[], context: PlanContext): Plan {
  const [key = '', mapped] = [args[0], mappedKey(args[0], context)];
  if (mapped === undefined || args.length !== 1) return PASS;
  return mapped.code === 'policy' ? planRemove(name, args, context) : refuseCommand(name, key, mapped);
}

export function planExpire(name: string, args: readonly Word[], context: PlanContext): Plan {
  const [key = '', mapped] = [args[0], mappedKey(args[0], context)];
  if (mapped === undefined || idFault(mapped) !== undefined) return PASS;
  if (args.length < (name === 'persist' || name === 'getex' ? 1 : 2)) return PASS;
  if (name === 'persist' && args.length > 1) return PASS;
  if (name === 'getex' && mapped.code !== 'policy') return refuseCommand(name, key, mapped);
  return capture('expire', mapped, [name, ...args], [], [key]);
}
