/** An agent as the legacy application has it, frozen to the last part. Fields of its own are kept. */
export interface LegacyAgent {
  readonly id?: string;
  readonly type?: string;
  readonly active?: boolean;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  readonly memory?: LegacyMemory;
  readonly [more: string]: unknown;
}

/** A friendship is stored on one side only and is directed from that side. */
export interface LegacyMemory {
  /** Ids of agents. */
  readonly friends?: readonly string[];
  /** Strength 0 to 100 by friend; 50 where there is none. */
  readonly relationships?: Readonly<Record<string, number>>;
  /** By friend; `KNOWS` where there is none. */
  readonly relation_types?: Readonly<Record<string, string>>;
  readonly [more: string]: unknown;
}
