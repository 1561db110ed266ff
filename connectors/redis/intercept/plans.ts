import { planHash, planHashDelete, planIncrement } from './hash-plans.ts';
import { planExpire, planGetDelete, planPush, planRemove, planTrim } from './key-plans.ts';
import { PASS, type Planner } from './plan.ts';
import { planOf, planSet } from './value-plans.ts';

/** The commands that are captured. What is called with too few or too many words passes: the server refuses it itself. */
export const PLANNERS: ReadonlyMap<string, Planner> = new Map<string, Planner>([
  ['set', planSet],
  ['setnx', planOf(1, 'one', 2)],
  ['setex', planOf(2, 'always', 3, true)],
  ['psetex', planOf(2, 'always', 3, true)],
  ['getset', planOf(1, 'always', 2)],
  ['hset', planHash],
  ['hmset', planHash],
  ['hsetnx', (name, args, context) => (args.length === 3 ? planHash(name, args, context) : PASS)],
  ['hincrby', planIncrement],
  ['hincrbyfloat', planIncrement],
  ['hdel', planHashDelete],
  ['rpush', planPush],
  ['lpush', planPush],
  ['rpushx', planPush],
  ['lpushx', planPush],
  ['ltrim', planTrim],
  ['del', planRemove],
  ['unlink', planRemove],
  ['getdel', planGetDelete],
  ['expire', planExpire],
  ['pexpire', planExpire],
  ['expireat', planExpire],
  ['pexpireat', planExpire],
  ['persist', planExpire],
  ['getex', planExpire],
]);
