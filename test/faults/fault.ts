import type { Kind } from '../../schemas/kinds.ts';
import type { Random } from '../../society/generator/random.ts';
import type { OriginStore } from '../live/key-space.ts';
import type { LivePlaces } from '../live/live-places.ts';
import type { Lives } from '../live/lives.ts';
import type { Role } from '../live/plan.ts';
import type { FollowerCounts } from './follower-counts.ts';
import type { LogMeddler } from './log-meddler.ts';
import type { Network, Server } from './network.ts';
import type { Progress } from './progress.ts';
import type { Proof } from './proof.ts';
import type { OutOfReach } from './reach.ts';

/** Servers that the run has to itself, so that it may kill them. */
export interface OwnServers {
  /** SIGKILL; resolves when it is gone, to its pid. Throws where it does not run. */
  kill(server: Server): Promise<number>;
  /** Undefined where it does not run. */
  pidOf(server: Server): Promise<number | undefined>;
  /** Starts what is not running, and resolves when it answers. */
  up(): Promise<void>;
  /** Where a server has everything that is its own. */
  folderOf(server: Server): string;
  /** What a server says. */
  logFileOf(server: Server): string;
}

/** What a fault can lay its hands on while writers, relays, followers and a backfill are at work. */
export interface World {
  readonly places: LivePlaces;
  readonly network: Network;
  readonly meddler: LogMeddler;
  readonly random: Random;
  readonly servers: OwnServers | undefined;
  /** The target stores that follow the log, and the kinds that each of them follows. */
  readonly followers: ReadonlyMap<string, readonly Kind[]>;
  /** How far each of them is, and who is in its group. */
  readonly progress: Omit<Progress, 'close' | 'caughtUp'>;
  /** What became of the records that they were given so far. */
  readonly counts: FollowerCounts;
  /** What processes that are started from now on find in their environment. */
  readonly environment: Map<string, string>;
  /** The processes of a role (of one origin store), in the order in which they were started first. */
  lives(role: Role, origin?: OriginStore): readonly Lives[];
  /** Waits for about that long. */
  pause(ms: number): Promise<void>;
  /** Resolves when every follower has committed what is in the log now. */
  caughtUp(): Promise<void>;
  /** Reads the log while it is whole: what is taken out of it afterwards was there all the same, for the oracle. */
  keepLog(): Promise<void>;
}

/** Asked when the fault has been overcome: what shows that it struck. Throws where nothing does. */
export type AskForProof = () => Proof | Promise<Proof>;

/** Something that goes wrong, and is over when `strike` resolves. It throws where somebody did not do then what they should have. */
export interface Fault {
  readonly name: string;
  /** Servers that nobody else uses, because one of them is killed or has a full disk. */
  readonly needsOwnServers?: true;
  /** Disks of its own are made and taken away again. */
  readonly needsRoot?: true;
  /** Servers that it takes away; that somebody does not reach any other is a failure. */
  readonly outOfReach: OutOfReach;
  /** Exit codes with which processes may end meanwhile: they are started again. */
  readonly mayEndWith?: readonly number[];
  strike(world: World): Promise<AskForProof>;
}
