/**
 * The seam between the stack and one real server. A server is one file with one `StackService`; adding a server costs
 * that file and a line in `services.ts`.
 */
import type { ServiceName, StackAddresses } from './addresses.ts';
import type { Cache } from './cache.ts';
import type { Programs } from './programs.ts';

/** One operating-system process of a service, and how it is stopped. */
export interface ManagedProcess {
  readonly name: string;
  readonly stopSignal: 'SIGTERM' | 'SIGINT' | 'SIGKILL';
  /** After this long it gets SIGKILL. */
  readonly graceMs: number;
  /**
   * For a server whose children leave its session and hide their environment (PostgreSQL): the name of their executable
   * and the folder, below the service's own, that they work in. Without it children are known by session and environment.
   */
  readonly children?: { readonly executable: string; readonly workingDir: string };
}

/** What one service owns inside the data folder. */
export interface ServiceHome<Port extends string = string> {
  /** The service's own folder. It exists and only its owner can read it. */
  readonly dir: string;
  /** Output of its processes is appended here. */
  readonly logFile: string;
  /** Ports on 127.0.0.1 that nobody else uses, by name. They may differ from those of the last start. */
  readonly ports: Readonly<Record<Port, number>>;
  /** Random, URL-safe, the same for the life of the data. */
  readonly secret: string;
  /** Where the process of that name records itself. */
  pidFile(process: string): string;
}

/** What `install` and `start` may use of the machine. */
export interface Machine {
  readonly programs: Programs;
  readonly cache: Cache;
  readonly signal: AbortSignal;
  /** Tells the operator what takes long, such as "downloading Neo4j 5.26.30". */
  report(message: string): void;
}

/**
 * Starts those processes of the service that do not run, and resolves when they have been launched, ready or not.
 * Repairs what a kill -9 left behind, and rewrites every configuration file, because ports may have changed.
 * What is made once (a formatted log, a database cluster) appears by one rename, so that an interrupted start can be repeated.
 */
export type Start = () => Promise<void>;

export interface StackService<Name extends ServiceName = ServiceName, Port extends string = string> {
  readonly name: Name;
  readonly portNames: readonly Port[];
  /**
   * In the order in which they are stopped: each may need those after it, and is stopped before `start` when one of them died.
   * The service runs when all of them do.
   */
  readonly processes: readonly ManagedProcess[];
  /** How long `ready` may go on failing after a start. */
  readonly readyWithinMs: number;
  /**
   * Makes sure that the programs are there, downloading them into the cache when they are not; writes no data.
   * Without network it works whenever it has worked before. Throws `not-installed` with the command that would help.
   */
  install(machine: Machine, home: ServiceHome<Port>): Promise<Start>;
  /**
   * One attempt at the path that a client takes. Resolves when clients can work (all data that was there is there again),
   * throws when they cannot yet. Bounded: a few seconds at most.
   */
  ready(home: ServiceHome<Port>): Promise<void>;
  address(home: ServiceHome<Port>): StackAddresses[Name];
}
