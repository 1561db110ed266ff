import type { EntityOf } from '../../../schemas/change.ts';
import { editTies, effectiveEdits } from '../read/edit-ties.ts';
import { tieKey } from '../read/overlay.ts';
import { holdsTies, readTies } from '../read/ties.ts';
import { isFault, type RawAgent, readAgent, writeAgent } from '../rows.ts';
import { frozen } from './frozen.ts';

type Agent = EntityOf['agent'];
type Relationship = EntityOf['relationship'];

/**
 * What a dictionary in memory has under one id: the agent as the application wrote it, where there is one, and the ties
 * that start there. Ties may be there without the agent, or beside an agent whose `memory` cannot hold them.
 */
export class Place {
  readonly id: string;
  readonly #ties: Map<string, Relationship>;
  #raw: RawAgent | undefined;
  /** Changes of ties that are not in `#raw` yet: it is written anew only when somebody asks for it. */
  #edits: Map<string, Relationship | null>;
  #agent: Agent | null | undefined;

  private constructor(id: string, raw: RawAgent | undefined, ties: Map<string, Relationship>) {
    this.id = id;
    this.#raw = raw;
    this.#ties = ties;
    this.#edits = new Map();
  }

  static empty(id: string): Place {
    return new Place(id, undefined, new Map());
  }

  static of(id: string, raw: RawAgent): Place {
    return new Place(id, raw, tiesOf(id, raw));
  }

  /** Of an agent all of which is known. The ties belong to the place from now on. */
  static whole(agent: Agent, raw: RawAgent, ties: Map<string, Relationship>): Place {
    const place = new Place(agent.id, raw, ties);
    place.#agent = agent;
    return place;
  }

  clone(): Place {
    const copy = new Place(this.id, this.#raw, new Map(this.#ties));
    copy.#edits = new Map(this.#edits);
    copy.#agent = this.#agent;
    return copy;
  }

  /** Whether there is an agent (which may be one that cannot be moved). */
  get isThere(): boolean {
    return this.#raw !== undefined;
  }

  get isEmpty(): boolean {
    return this.#raw === undefined && this.#ties.size === 0;
  }

  /** By tieKey. */
  get ties(): ReadonlyMap<string, Relationship> {
    return this.#ties;
  }

  /** The agent as the legacy application reads it, frozen; undefined where there is none. */
  get raw(): RawAgent | undefined {
    if (this.#raw !== undefined && this.#edits.size > 0) {
      const edits = holdsTies(this.#raw) ? effectiveEdits(this.id, this.#raw, this.#edits) : this.#edits;
      if (edits.size > 0 && edits !== this.#edits) this.#raw = editTies(this.id, this.#raw, edits);
      this.#edits = new Map();
    }
    this.#raw = frozen(this.#raw);
    return this.#raw;
  }

  /** Undefined where there is none, or none that could be moved. */
  get agent(): Agent | undefined {
    if (this.#agent === undefined) {
      const read = this.#raw === undefined ? undefined : readAgent(this.id, this.#raw);
      this.#agent = read === undefined || isFault(read) ? null : read.agent;
    }
    return this.#agent ?? undefined;
  }

  /** An agent comes, or its own fields change; its ties stay. */
  setAgent(agent: Agent): void {
    const isNew = this.#raw === undefined;
    this.#raw = writeAgent(agent, this.#raw);
    this.#agent = agent;
    if (isNew) this.#edits = new Map(this.#ties);
  }

  /** The agent goes; ties that start from it stay until they are removed too. */
  removeAgent(): void {
    this.#raw = undefined;
    this.#agent = null;
    this.#edits = new Map();
  }

  setTie(key: string, tie: Relationship | null): void {
    if (tie === null) this.#ties.delete(key);
    else this.#ties.set(key, tie);
    if (this.#raw !== undefined) this.#edits.set(key, tie);
  }
}

export function tiesOf(id: string, raw: RawAgent): Map<string, Relationship> {
  return new Map(readTies(id, raw).ties.map(({ tie }) => [tieKey(tie), tie]));
}
