import type { Random } from '../../society/generator/random.ts';
import type { LivePlaces } from '../live/live-places.ts';
import type { Lives } from '../live/lives.ts';
import type { Role } from '../live/plan.ts';
import type { LogMeddler } from './log-meddler.ts';
import type { Network, Server } from './network.ts';

/** Servers that the run has to itself, so that it may kill them. */
export interface OwnServers {
  /** SIGKILL; resolves when it is gone. */
  kill(server: Server): Promise<void>;
  /** Starts what is not running, and resolves when it answers. */
  up(): Promise<void>;
}

/** What a fault can lay its hands on while writers, relays, followers and a backfill are at work. */
export interface World {
  readonly places: LivePlaces;
  readonly network: Network;
  readonly meddler: LogMeddler;
  readonly random: Random;
  readonly servers: OwnServers | undefined;
  /** The processes of a role, in the order in which they were started first. */
  lives(role: Role): readonly Lives[];
  /** Waits for about that long. */
  pause(ms: number): Promise<void>;
}

/** Something that goes wrong, and is over when `strike` resolves. */
export interface Fault {
  readonly name: string;
  /** Servers that nobody else uses, because one of them is killed. */
  readonly needsOwnServers?: boolean;
  /** Records of ours that no store takes, or none of which there is any content: so many dead letters of each follower of agents. */
  readonly deadLetters?: number;
  strike(world: World): Promise<void>;
}
