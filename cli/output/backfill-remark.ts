import type { BackfillState } from '../../producers/backfill/supervisor.ts';
import { count } from './format.ts';

/** What holds a backfill back, for the progress; empty where nothing does and there is nothing to tell. */
export function backfillRemark({ state, remarks, limitPerSecond }: BackfillState): string {
  const told = remarks.join('; ');
  switch (state) {
    case 'paused':
      return `paused; \`changeover backfill resume\` goes on (${told})`;
    case 'slowed':
      return limitPerSecond === 0 ? `waiting: ${told}` : `slowed${limitText(limitPerSecond)}: ${told}`;
    case 'running':
      return told;
    default:
      return state satisfies never;
  }
}

function limitText(limitPerSecond: number): string {
  return Number.isFinite(limitPerSecond) ? ` to ${count(limitPerSecond)}/s` : '';
}
