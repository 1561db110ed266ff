import type { Failure } from '../live/life.ts';
import { TARGET_STORES } from '../live/plan.ts';
import { SERVERS, type Server } from './network.ts';

/** Servers that a fault takes away while it strikes. */
export interface OutOfReach {
  /** Our processes reach them through a network that is broken; whoever goes past it finds them at work. */
  readonly cut?: readonly Server[];
  /** They are not at work: nobody reaches them. */
  readonly down?: readonly Server[];
}

/**
 * So long after a server is back, somebody may still end because it was away: who was about to connect when it came back waits for
 * 30 s (test/support/migration.ts), and is started on a busy machine.
 */
export const NOTICED_WITHIN_MS = 45_000;

/** What is out of reach, and what was a moment ago. */
export class Reach {
  readonly #nowMs: () => number;
  #outages: readonly { readonly what: OutOfReach; readonly endedMs: number | undefined }[] = [];

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  begin(what: OutOfReach): void {
    this.end();
    this.#outages = [...this.#outages, { what, endedMs: undefined }];
  }

  end(): void {
    this.#outages = this.#outages.map(({ what, endedMs }) => ({ what, endedMs: endedMs ?? this.#nowMs() }));
  }

  /** For our processes, of any of these. */
  isAway(servers: readonly Server[]): boolean {
    return this.#some(({ cut = [], down = [] }) => [...cut, ...down].some((each) => servers.includes(each)));
  }

  /** For everybody. */
  isDown(server: Server): boolean {
    return this.#some(({ down = [] }) => down.includes(server));
  }

  #some(is: (what: OutOfReach) => boolean): boolean {
    const nowMs = this.#nowMs();
    return this.#outages.some(
      ({ what, endedMs }) => (endedMs === undefined || nowMs - endedMs <= NOTICED_WITHIN_MS) && is(what),
    );
  }
}

/** The servers that a process talks to. */
export function serversOf(role: Failure['role'], origin: string | undefined): readonly Server[] {
  switch (role) {
    case 'writer':
      return serverOf(origin);
    case 'relay':
      return ['kafka', ...serverOf(origin)];
    case 'run':
      return ['kafka', ...TARGET_STORES];
    case 'backfill':
      return ['kafka', 'neo4j', 'redis'];
    case 'validate':
      return SERVERS;
    default:
      return role satisfies never;
  }
}

/** The dictionary is a file. */
function serverOf(origin: string | undefined): readonly Server[] {
  return SERVERS.filter((server) => server === origin);
}
