import type { PartitionLag } from '../../consumers/lag/read-lag.ts';
import type { Follower } from '../work/followers.ts';
import { count, duration, items } from './format.ts';

/** `target.redis: 1,200 changes received, 1,100 applied, 99 stale, 1 refused` */
export function followerSummary({ name, progress }: Follower): string {
  const { received, applied, stale, refused } = progress();
  const counts = `${count(applied)} applied, ${count(stale)} stale, ${count(refused)} refused`;
  return `${name}: ${items(received, 'change')} received, ${counts}`;
}

/** `…; 3,000 to go, the oldest waiting for 4.2 s` */
export function followerNote(follower: Follower, lag: readonly PartitionLag[]): string {
  const records = lag.reduce((sum, each) => sum + each.records, 0);
  const oldestMs = Math.max(0, ...lag.map(({ seconds }) => seconds)) * 1_000;
  const waiting = records === 0 ? '' : `, the oldest waiting for ${duration(oldestMs)}`;
  const down = follower.breaker() === 'open' ? '; the store does not take changes at the moment' : '';
  return `${followerSummary(follower)}; ${count(records)} to go${waiting}${down}`;
}
