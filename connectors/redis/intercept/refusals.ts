import { exists, getKeyIndexes, hasFlag } from '@ioredis/commands';
import { ChangeoverError } from '../../../core/errors.ts';
import { mappedKey, PASS, type Plan, type PlanContext, refuseCommand, type Word } from './plan.ts';

/** These change every key there is, or which keys the names mean. */
const EVERYTHING = new Set(['flushall', 'flushdb', 'swapdb', 'trimslots']);
/** These only look, or watch, whatever keys they name. */
const HARMLESS = new Set(['watch', 'object', 'memory', 'touch', 'eval_ro', 'evalsha_ro', 'fcall_ro']);
/** The client's own table says too little of their keys, so that every word counts. */
const ANY_WORD = new Set(['migrate', 'himport', 'debug', 'xgroup', 'pfdebug']);

/**
 * What becomes of a command that is not captured: it passes where it certainly changes no mapped key. What a script does
 * to keys that it does not announce is not seen.
 */
export function planOther(name: string, args: readonly Word[], context: PlanContext, db: number): Plan {
  if (EVERYTHING.has(name)) return refuseAll(name, 'It would change mapped keys without their capture.');
  if (name === 'select' && Number(args[0]) !== db) {
    return refuseAll(
      name,
      'In another database the mapped names are other keys: open another client for it.',
    );
  }
  if (name === 'reset' && db !== 0)
    return refuseAll(name, 'It goes to database 0: open another client for it.');
  if (HARMLESS.has(name)) return PASS;
  if (!exists(name)) return refuseAnyOf(name, args, context);
  if (hasFlag(name, 'readonly')) return PASS;
  if (name === 'sort' && !args.some((word) => String(word).toLowerCase() === 'store')) return PASS;
  if (ANY_WORD.has(name)) return refuseAnyOf(name, args, context);
  return refuseAnyOf(name, keysIn(name, args), context);
}

function keysIn(name: string, args: readonly Word[]): readonly Word[] {
  try {
    return getKeyIndexes(name, [...args]).flatMap((index) => args[index] ?? []);
  } catch {
    return args;
  }
}

function refuseAnyOf(name: string, words: readonly Word[], context: PlanContext): Plan {
  for (const word of words) {
    const mapped = mappedKey(word, context);
    if (mapped !== undefined) return refuseCommand(name, word, mapped);
  }
  return PASS;
}

function refuseAll(name: string, hint: string): Plan {
  const message = `${name.toUpperCase()} cannot be captured.`;
  return { type: 'refuse', error: new ChangeoverError('unsupported', message, { hint }) };
}
